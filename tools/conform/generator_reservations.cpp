// Frames that random programs ask for and give back: XENMEM_populate_physmap, increase_reservation,
// decrease_reservation.

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

constexpr u32 large_order = 9;     ///< of a large page
constexpr u32 highest_order = 18;  ///< that dom0 may ask for; more than the machine has
constexpr u32 too_few_bits = 20;   ///< below this address nothing is free: it is all DOMID_IO's
constexpr u64 extents_max = 4;

}  // namespace

/// One thing that Xen refuses before it begins; the list of a refused request matters no more.
void program_maker::refuse(memory_reservation& r) {
  switch (below(7)) {
    case 0: r.extent_order = highest_order + 1 + static_cast<u32>(below(50)); break;
    case 1: r.nr_extents = one_of<u64>({u64{1} << 26, u64{1} << 40, ~u64{0}}); break;
    case 2: r.domid = one_of<domid_t>({77, DOMID_IO, DOMID_XEN, 0x7ff4}); break;
    case 3: r.mem_flags = 1 + static_cast<u32>(below(PAGE_SHIFT)); break;
    case 4: r.mem_flags = 66 << 8; break;
    case 5: r.extents = {.at = plain(one_of<u64>({0xffff830000000000, 0xffff800000000000, u64{1} << 63}))}; break;
    default: r.nr_extents = 0; break;
  }
}

memory_reservation program_maker::new_extents() {
  memory_reservation r{.domid = memory_domid()};
  r.nr_extents = 1 + below(extents_max);
  for (u64 i = 0; i < r.nr_extents; ++i) r.extents.words.push_back(plain(below(1 << 20)));
  if (one_in(3)) r.extent_order = 1 + static_cast<u32>(below(2));
  if (one_in(60)) r.extent_order = large_order;
  if (one_in(6))
    r.mem_flags = one_of<u32>({28, 30, 31, 64, 255, 1 << 8, 1 << 8 | XENMEMF_exact_node_request, 3 << 8,
                               XENMEMF_vnode | 9 << 8 | XENMEMF_exact_node_request});
  return r;
}

/// mem_flags for memory that the machine does not have: at low addresses, on a node of its own.
u32 program_maker::scarce() {
  if (one_in(3)) return 3 << 8 | XENMEMF_exact_node_request;
  return PAGE_SHIFT + 1 + static_cast<u32>(below(too_few_bits - PAGE_SHIFT));
}

/// populate or increase: new frames, as the list is told, and their names.
lab::memory_op program_maker::take_frames(bool named) {
  lab::memory_op c{.cmd = one_of<u64>({XENMEM_populate_physmap, XENMEM_increase_reservation})};
  memory_reservation r = new_extents();
  const u64 k = below(10);
  if (k == 0) {
    refuse(r);
  } else if (k == 1) {
    if (one_in(3)) r.extent_order = highest_order;
    r.mem_flags = r.extent_order == highest_order ? 0 : scarce();
  } else if (k == 2) {
    c.cmd |= (1 + below(r.nr_extents)) << MEMOP_EXTENT_SHIFT;
  } else if (k == 3 && (c.cmd & MEMOP_CMD_MASK) == XENMEM_populate_physmap) {
    // Nothing to read, nothing done; on demand nothing is done either.
    if (one_in(2)) {
      r.mem_flags = XENMEMF_populate_on_demand;
    } else if (one_in(2)) {
      ++r.nr_extents;
    } else {
      r.extents = {.at = deep_ ? word{.kind = word_kind::unmapped} : plain(0)};
    }
  } else if (named) {
    c.adopt_first = new_names(r.nr_extents);
  }
  if (c.adopt_first) came_.push_back({*c.adopt_first, static_cast<u32>(r.nr_extents), r.extent_order});
  c.arg = std::move(r);
  if (one_in(40)) c.arg = std::monostate{};
  return c;
}

lab::memory_op program_maker::give_back() {
  lab::memory_op c{.cmd = XENMEM_decrease_reservation};
  memory_reservation r{.domid = memory_domid()};
  if (!came_.empty() && one_in(3)) {
    r = part_of_run();
  } else {
    r.nr_extents = 1 + below(extents_max);
    for (u64 i = 0; i < r.nr_extents; ++i) r.extents.words.push_back(extent_to_give());
  }
  const u64 k = below(14);
  if (k == 0) refuse(r);
  if (k == 1) r.nr_extents += 1 + below(2);
  if (k == 2) r.domid = one_of<domid_t>({probe::foreign_domid, 77, DOMID_IO});
  if (k == 3) c.cmd |= (1 + below(r.nr_extents)) << MEMOP_EXTENT_SHIFT;
  if (k == 4 && !deep_) r.extents = {.at = plain(0)};
  c.arg = std::move(r);
  if (k == 5) c.arg = std::monostate{};
  return c;
}

}  // namespace pvmmu::conform
