// XENMEM_exchange in random programs: frames for as many frames, for a run, or a run for its frames.

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

constexpr u32 too_high_order = 19;

}  // namespace

/// Lists that match: frames for as many frames, for a run, or a run for its frames.
lab::memory_exchange program_maker::matching_lists() {
  lab::memory_exchange e{.in = {.domid = memory_domid()}};
  if (!came_.empty() && one_in(3)) {
    e.in = part_of_run();
    if (one_in(2)) e.out.extent_order = e.in.extent_order;
    if (e.in.extent_order > 2) e.out.extent_order = e.in.extent_order;
  } else {
    e.out.extent_order = one_in(3) ? 1 : 0;
    e.in.nr_extents = (1 + below(3)) << e.out.extent_order;
    for (u64 i = 0; i < e.in.nr_extents; ++i) e.in.extents.words.push_back(extent_to_give());
  }
  e.out.domid = e.in.domid;
  e.out.nr_extents = e.in.nr_extents << e.in.extent_order >> e.out.extent_order;
  for (u64 i = 0; i < e.out.nr_extents; ++i) e.out.extents.words.push_back(plain(below(1 << 20)));
  return e;
}

/// What Xen refuses of an exchange as a whole.
void program_maker::refuse(lab::memory_exchange& e) {
  switch (below(9)) {
    case 0: e.in.extent_order = too_high_order + static_cast<u32>(below(50)); break;
    case 1: e.out.extent_order = too_high_order; break;
    case 2: ++e.out.nr_extents; break;
    case 3: e.in.nr_extents = e.out.nr_extents = one_of<u64>({u64{1} << 60, ~u64{0}}); break;
    case 4: e.nr_exchanged = e.in.nr_extents + below(2); break;
    case 5: e.out.domid = one_of<domid_t>({probe::foreign_domid, 0x7ff4}); break;
    case 6: e.in.domid = e.out.domid = one_of<domid_t>({77, DOMID_IO, DOMID_XEN}); break;
    case 7: e.out.mem_flags = 66 << 8; break;
    default: (one_in(2) ? e.in : e.out).extents = {.at = plain(0xffff830000000000)}; break;
  }
}

lab::memory_op program_maker::exchange(bool named) {
  lab::memory_op c{.cmd = XENMEM_exchange};
  lab::memory_exchange e = matching_lists();
  const u64 k = below(12);
  if (k <= 1) {
    refuse(e);
  } else if (k == 2) {
    e.out.mem_flags = scarce();
  } else if (k == 3) {
    e.in.extents.words.pop_back();
  } else if (k == 4) {
    e.nr_exchanged = below(e.in.nr_extents);
  } else if (named) {
    c.adopt_first = new_names(e.out.nr_extents);
  }
  if (c.adopt_first) came_.push_back({*c.adopt_first, static_cast<u32>(e.out.nr_extents), e.out.extent_order});
  c.arg = std::move(e);
  if (one_in(30)) c.arg = std::monostate{};
  if (one_in(60)) c.cmd |= 1 << MEMOP_EXTENT_SHIFT;
  return c;
}

}  // namespace pvmmu::conform
