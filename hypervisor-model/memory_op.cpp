#include "hypervisor-model/memory_op.h"

#include <algorithm>
#include <bit>

#include "hypervisor-model/batch.h"
#include "hypervisor-model/memory_exchange.h"
#include "hypervisor-model/messages.h"
#include "hypervisor-model/page_alloc.h"

namespace pvmmu::xen {
namespace {

constexpr unsigned domu_max_order = 9, device_max_order = 12, control_domain_max_order = 18;
constexpr u64 any_frame = ~u64{0};
constexpr u32 address_bits_mask = 0xff;
constexpr u64 nr_extents_max = ~u32{0} >> MEMOP_EXTENT_SHIFT;  ///< more could not be continued

/// Extents of one domain, handled one by one from `nr_done` on.
struct memop {
  machine& m;
  vcpu& curr;
  domain& d;
  xen_memory_reservation& r;
  u64 limit = any_frame;
  u64 nr_done = 0;

  u64 frames() const { return u64{1} << r.extent_order; }
  bool on_demand() const { return (r.mem_flags & XENMEMF_populate_on_demand) != 0; }
  bool readable() const { return nr_done < r.extent_start.entries.size(); }
  u64& extent() { return r.extent_start.entries[nr_done]; }
};

bool increase_one(memop& a) {
  const auto first = alloc_domheap_pages(a.m, a.d, a.r.extent_order, a.limit);
  if (!first) {
    messages::could_not_increase(a.m, a.d, a.r.extent_order, a.nr_done, a.r.nr_extents);
    return false;
  }
  if (a.r.extent_start.va == 0) return true;
  if (!a.readable()) return false;  // the domain owns it, and does not know
  a.extent() = first->n;
  return true;
}

bool populate_one(memop& a) {
  if (!a.readable()) return false;
  // Nothing is populated on demand for a PV domain; to do nothing for another one is success.
  if (a.on_demand()) return &a.d != a.curr.dom;
  const auto first = alloc_domheap_pages(a.m, a.d, a.r.extent_order, a.limit);
  if (!first) {
    messages::could_not_populate(a.m, a.d, a.r.extent_order, a.nr_done, a.r.nr_extents);
    return false;
  }
  for (u64 i = 0; i < a.frames(); ++i) a.m.set_gpfn_from_mfn(*first + i, a.extent() + i);
  a.extent() = first->n;
  return true;
}

/// guest_remove_page (memory.c:309).
bool guest_remove_page(machine& m, domain& d, mfn_t mfn) {
  if (!m.mfn_valid(mfn)) {
    messages::page_number_invalid(m, d, mfn);
    return false;
  }
  page_info& pg = m.page(mfn);
  if (!get_page(m, pg, d)) {
    messages::bad_page_free(m, d, mfn);
    return false;
  }
  if (pg.count_info & PGC_allocated) {
    m.set_count_info(pg, pg.count_info & ~PGC_allocated);
    put_page(m, pg);
  }
  put_page(m, pg);
  return true;
}

/// Frames before the one that fails stay removed, although their extent does not count as done.
bool decrease_one(memop& a) {
  if (!a.readable()) return false;
  for (u64 i = 0; i < a.frames(); ++i) {
    if (!guest_remove_page(a.m, a.d, mfn_t{a.extent()} + i)) return false;
  }
  return true;
}

/// Whether the extents are looked at at all; if not, Xen says that none more were done.
bool may_begin(const memop& a, u64 op) {
  const bool no_list = op == XENMEM_increase_reservation && a.r.extent_start.va == 0;
  if (!no_list && !subrange_okay(a.r.extent_start, a.nr_done, a.r.nr_extents - 1)) return false;
  const bool any_order = op == XENMEM_populate_physmap && a.on_demand();
  return a.r.extent_order <= (any_order ? control_domain_max_order : max_order(*a.curr.dom));
}

long run_extents(memop& a, memory_op_call& call, u64 op) {
  const auto one = op == XENMEM_increase_reservation   ? increase_one
                   : op == XENMEM_decrease_reservation ? decrease_one
                                                       : populate_one;
  for (const u64 first = a.nr_done; a.nr_done < a.r.nr_extents; ++a.nr_done) {
    if (a.nr_done != first && a.m.hypercall_preempt_check()) {
      call.cmd = op | a.nr_done << MEMOP_EXTENT_SHIFT;
      return create_continuation(a.m, a.curr, HYPERVISOR_memory_op, a.r.nr_extents - a.nr_done);
    }
    a.m.notify(event_kind::entry, static_cast<u32>(a.nr_done - first), {}, 0, 0);
    if (!one(a)) break;
  }
  return static_cast<long>(a.nr_done);
}

/// construct_memop_from_reservation (memory.c:1032): nothing for flags that are refused.
std::optional<u64> reservation_limit(const machine& m, const domain& caller, u32 mem_flags) {
  const u32 bits = mem_flags & address_bits_mask;
  if (bits != 0 && bits <= PAGE_SHIFT) return std::nullopt;
  const auto bits_of_memory = static_cast<u32>(std::bit_width(m.config().frames - 1)) + u32{PAGE_SHIFT};
  u32 flags = bits < bits_of_memory ? mem_flags : mem_flags & ~address_bits_mask;
  if (flags & XENMEMF_vnode) flags &= address_bits_mask;  // no domain here has virtual nodes
  return frame_limit(caller, flags);
}

long adjust_reservation(machine& m, vcpu& curr, memory_op_call& call, u64 op, u64 start_extent) {
  const auto nothing_more = static_cast<long>(start_extent);
  auto* const r = std::get_if<xen_memory_reservation>(&call.arg);
  if (!r || r->nr_extents > nr_extents_max || start_extent >= r->nr_extents) return nothing_more;
  domain* const d = domain_by_any_id(m, curr, r->domid);
  if (!d) return nothing_more;
  const auto limit = reservation_limit(m, *curr.dom, r->mem_flags);
  if (!limit || !xsm_target(*curr.dom, *d)) return nothing_more;
  memop a{m, curr, *d, *r, *limit, start_extent};
  return may_begin(a, op) ? run_extents(a, call, op) : nothing_more;
}

long machphys_mfn_list(machine& m, memory_op_call& call) {
  auto* const list = std::get_if<xen_machphys_mfn_list>(&call.arg);
  if (!list) return to_result(xen_errno::efault);
  u32 i = 0;
  for (; i != list->max_extents && i < m.machphys_mfns.size(); ++i) {
    const bool writable = subrange_okay(list->extent_start, i, i) && i < list->extent_start.entries.size();
    if (!writable) return to_result(xen_errno::efault);
    list->extent_start.entries[i] = m.machphys_mfns[i].n;
  }
  list->nr_extents = i;
  return 0;
}

}  // namespace

unsigned max_order(const domain& d) {
  if (d.privileged) return control_domain_max_order;
  return d.may_map_devices() ? device_max_order : domu_max_order;
}

domain* domain_by_any_id(machine& m, const vcpu& curr, domid_t domid) {
  return domid == DOMID_SELF ? curr.dom : m.find_domain(domid);
}

bool subrange_okay(const extent_list& list, u64 first, u64 last) {
  return addr_ok(list.va + first * sizeof(u64)) && last - first + 1 < ~u64{0} / sizeof(u64);
}

std::optional<u64> frame_limit(const domain& caller, u32 mem_flags) {
  constexpr u32 no_node = 0xff, nodes_max = 64;
  const u32 node = ((mem_flags >> 8) - 1) & 0xff;
  const bool exact = (mem_flags & XENMEMF_exact_node_request) != 0;
  if (node != no_node) {
    if (caller.privileged ? node >= nodes_max : exact) return std::nullopt;
    if (exact && node != 0) return 0;
  }
  const u32 bits = mem_flags & address_bits_mask;
  if (bits == 0 || bits >= 64) return any_frame;
  return u64{1} << (std::max<u32>(bits, PAGE_SHIFT + 1) - PAGE_SHIFT);
}

long do_memory_op(machine& m, vcpu& curr, memory_op_call& call) {
  const u64 start_extent = call.cmd >> MEMOP_EXTENT_SHIFT;
  const u64 op = call.cmd & MEMOP_CMD_MASK;
  switch (op) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap: return adjust_reservation(m, curr, call, op, start_extent);
    case XENMEM_exchange: return start_extent != 0 ? to_result(xen_errno::einval) : memory_exchange(m, curr, call);
    case XENMEM_machphys_mfn_list: return start_extent != 0 ? to_result(xen_errno::enosys) : machphys_mfn_list(m, call);
    default: return to_result(xen_errno::enosys);
  }
}

}  // namespace pvmmu::xen
