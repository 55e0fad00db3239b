#include "tools/lab/stopped_xen.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tests/conformance/probe/program.h"
#include "tools/lab/lab_error.h"
#include "tools/lab/xen_memory.h"

namespace pvmmu::lab {
namespace {

// Xen's layout (xen 4.17 config.h:114-156).
constexpr u64 FRAMETABLE_VIRT_START = 0xffff82e000000000;
constexpr u64 DIRECTMAP_VIRT_START = 0xffff830000000000;

/// Whom Xen's records name as owners: frame numbers of struct domain.
class owners {
 public:
  owners(xen_memory& memory, const symbol_map& symbols) {
    const std::array<std::pair<const char*, domid_t>, 3> known{
        {{"hardware_domain", domid_t{0}}, {"dom_io", DOMID_IO}, {"dom_xen", DOMID_XEN}}};
    for (const auto& [symbol, domid] : known) {
      const u64 domain = memory.get<u64>(symbols.address(symbol));
      if (domain < DIRECTMAP_VIRT_START) throw lab_error(fmt::format("Xen's {} is not where it was expected", symbol));
      known_.push_back({static_cast<u32>((domain - DIRECTMAP_VIRT_START) >> PAGE_SHIFT), xen::owner_of(domid)});
    }
  }

  /// The model's way to say it. The only other domain is the one that the probe has made.
  xen::owner_t of(const xen::page_info& real) const {
    if (real.count_info == ~u64{0}) return xen::owner_hole;
    if ((real.count_info & xen::PGC_state) == xen::PGC_state_free || real.owner == 0) return xen::owner_none;
    for (const auto& [pdx, owner] : known_)
      if (pdx == real.owner) return owner;
    return xen::owner_of(probe::foreign_domid);
  }

 private:
  std::vector<std::pair<u32, xen::owner_t>> known_;
};

std::vector<xen::page_info> read_frame_table(xen_memory& memory, const symbol_map& symbols) {
  const u64 count = memory.get<u64>(symbols.address("max_page"));
  const owners names{memory, symbols};
  std::vector<xen::page_info> frames(count);
  const u64 bytes = count * sizeof(xen::page_info);
  std::memcpy(frames.data(), memory.read(FRAMETABLE_VIRT_START, bytes), bytes);
  for (xen::page_info& pg : frames) {
    pg.owner = names.of(pg);
    pg.next = pg.prev = 0;
  }
  return frames;
}

/// A struct rangeset: its ranges are a list from byte 24 on, each {next, prev, first, last} (xen 4.17
/// rangeset.c:17-44).
std::vector<xen::mfn_range> read_rangeset(xen_memory& memory, u64 rangeset) {
  struct range {
    u64 next, prev, first, last;
  };
  std::vector<xen::mfn_range> ranges;
  const u64 head = rangeset + 24;
  for (u64 at = memory.get<u64>(head); at != head;) {
    const auto r = memory.get<range>(at);
    ranges.push_back({mfn_t{r.first}, mfn_t{r.last}});
    at = r.next;
    if (ranges.size() > 10000) throw lab_error("Xen's mmio_ro_ranges have no end");
  }
  return ranges;
}

}  // namespace

stopped_xen::stopped_xen(machine_in_qemu& machine, std::shared_ptr<const shared_memory> ram, shared_memory& dump,
                         const symbol_map& symbols)
    : ram_(std::move(ram)) {
  xen_memory memory{machine, dump};
  memory.stop_where_visible(FRAMETABLE_VIRT_START);
  frames_ = read_frame_table(memory, symbols);
  mmio_ro_ = read_rangeset(memory, memory.get<u64>(symbols.address("mmio_ro_ranges")));
}

std::vector<xen::page_info> stop_and_read_frame_table(machine_in_qemu& machine, shared_memory& dump,
                                                      const symbol_map& symbols) {
  xen_memory memory{machine, dump};
  memory.stop_where_visible(FRAMETABLE_VIRT_START);
  return read_frame_table(memory, symbols);
}

void stopped_xen::keep(mfn_t mfn) {
  const auto now = words(mfn);
  std::ranges::copy(now, kept_[mfn.n].begin());
}

std::span<const u64, entries_per_table> stopped_xen::words(mfn_t mfn) const {
  if (const auto kept = kept_.find(mfn.n); kept != kept_.end()) return kept->second;
  if ((mfn.n + 1) * PAGE_SIZE > ram_->bytes()) throw lab_error(fmt::format("mfn {:#x} is no RAM", mfn.n));
  return std::span<const u64, entries_per_table>{reinterpret_cast<const u64*>(ram_->data() + mfn.n * PAGE_SIZE),
                                                 entries_per_table};
}

}  // namespace pvmmu::lab
