#include "tools/lab/machine_facts.h"

#include <algorithm>
#include <cstdlib>

#include "tools/lab/lab_error.h"
#include "tools/lab/stopped_xen.h"

namespace pvmmu::lab {
namespace {

std::vector<xen::mfn_range> frames_of(const stopped_xen& xen, xen::owner_t owner) {
  std::vector<xen::mfn_range> ranges;
  for (mfn_t mfn{0}; mfn.n < xen.frames(); ++mfn) {
    if (xen.frame(mfn).owner != owner) continue;
    if (!ranges.empty() && ranges.back().last + 1 == mfn) {
      ranges.back().last = mfn;
    } else {
      ranges.push_back({mfn, mfn});
    }
  }
  return ranges;
}

u64 count(const std::vector<xen::mfn_range>& ranges) {
  u64 frames = 0;
  for (const xen::mfn_range& r : ranges) frames += r.last.n - r.first.n + 1;
  return frames;
}

/// Xen prints a rangeset as "{ 0-fedff, fef00 }", in hexadecimal (xen 4.17 rangeset.c).
std::vector<xen::mfn_range> parse_ranges(const std::string& text) {
  std::vector<xen::mfn_range> ranges;
  const char* at = text.c_str();
  while (*at && *at != '}') {
    char* end = nullptr;
    const u64 first = std::strtoull(at, &end, 16);
    if (end == at) {
      ++at;
      continue;
    }
    const u64 last = *end == '-' ? std::strtoull(end + 1, &end, 16) : first;
    ranges.push_back({mfn_t{first}, mfn_t{last}});
    at = end;
  }
  return ranges;
}

start_info read_start(const stopped_xen& xen, const probe::start_facts& told) {
  start_info start{.domid = 0,
                   .nr_pages = told.nr_pages,
                   .vcpus = 1,
                   .virt_base = told.virt_base,
                   .mapped_pages = told.mapped_pages,
                   .pt_base = told.pt_base,
                   .nr_pt_frames = told.nr_pt_frames,
                   .p2m = {}};
  for (pfn_t pfn{0}; pfn.n < told.nr_pages; ++pfn) {
    const u64 at = told.p2m_maddr / sizeof(u64) + pfn.n;
    const mfn_t mfn{xen.words({at / entries_per_table})[at % entries_per_table]};
    if (!start.p2m.empty() && start.p2m.back().mfn + start.p2m.back().frames == mfn) {
      ++start.p2m.back().frames;
    } else {
      start.p2m.push_back({pfn, mfn, 1});
    }
  }
  return start;
}

}  // namespace

machine_facts read_facts(const stopped_xen& xen, const probe::results_header& known, const std::string& serial) {
  machine_facts facts;
  facts.start = read_start(xen, known.start);
  facts.frames = xen.frames();
  facts.dom0_pages = count(frames_of(xen, xen::owner_of(0)));
  for (const u64 mfn : known.grant_table_mfns)
    if (mfn != 0) facts.grant_frames.push_back({mfn});
  facts.holes = frames_of(xen, xen::owner_hole);
  facts.dom_io = frames_of(xen, xen::owner_of(DOMID_IO));
  facts.dom_xen = frames_of(xen, xen::owner_of(DOMID_XEN));
  facts.mmio_ro = xen.mmio_ro();
  const std::string label = "I/O Memory {";
  const auto at = serial.find(label);
  if (at == std::string::npos) throw lab_error("Xen did not print what dom0 may map");
  facts.dom0_iomem = parse_ranges(serial.substr(at + label.size()));
  std::ranges::copy(xen.words({known.probe_l4_mfn}), facts.probe_l4.begin());
  std::copy_n(facts.probe_l4.begin() + first_xen_slot, facts.xen_l4_slots.size(), facts.xen_l4_slots.begin());
  return facts;
}

}  // namespace pvmmu::lab
