#include "hypervisor-model/ldt.h"

#include <cassert>

#include "hypervisor-model/machine/page_walk.h"
#include "hypervisor-model/messages.h"
#include "hypervisor-model/page_type.h"

namespace pvmmu::xen {
namespace {

constexpr u32 ldt_entries_max = ldt_frames_max * entries_per_table;

// A descriptor's upper half, as far as a load looks at it.
constexpr u64 descriptor_accessed = u64{1} << 40;
constexpr u64 descriptor_readable = u64{1} << 41;  // of code; of data: writable
constexpr u64 descriptor_conforming = u64{1} << 42;
constexpr u64 descriptor_code = u64{1} << 43;
constexpr u64 descriptor_segment = u64{1} << 44;  // not: a gate, or a system's segment
constexpr u64 descriptor_present = u64{1} << 47;
constexpr unsigned descriptor_dpl(u64 desc) { return static_cast<unsigned>(desc >> 45) & 3; }

access_result raise(exception_vector vector, u32 error_code) {
  return {.fault = true, .vector = vector, .error_code = error_code};
}

/// pv_map_ldt_shadow_page: takes what the guest's kernel has mapped at that byte of its LDT (xen 4.17 pv/mm.c:61).
bool pv_map_ldt_shadow_page(machine& m, vcpu& curr, u64 offset) {
  const pte_t gl1e = guest_get_eff_kern_l1e(m, curr.guest_table, curr.ldt_base + offset);
  if (!present(gl1e)) return false;
  page_info* const pg = get_page_from_mfn(m, pte_mfn(gl1e), *curr.dom);
  if (!pg) return false;
  if (!get_page_type(m, *pg, PGT_seg_desc_page)) {
    put_page(m, *pg);
    return false;
  }
  curr.ldt_frames[offset >> PAGE_SHIFT] = m.mfn_of(*pg);
  return true;
}

/// handle_ldt_mapping_fault where there is nothing to map: the guest sees its own address (xen 4.17 traps.c:1380).
access_result ldt_mapping_fault(machine& m, const vcpu& curr, u64 offset, u32 selector, cpu_mode mode) {
  const u64 va = curr.ldt_base + offset;
  if (!is_canonical(va)) return raise(exception_vector::general_protection, selector);
  const u32 error_code = mode == cpu_mode::user ? PFEC_user_mode : 0u;
  m.notify(event_kind::guest_fault, curr.id, {}, error_code, va);
  return {.fault = true, .error_code = error_code, .cr2 = va};
}

/// Whether ring 3, where PV guests run, may load such a segment into a data segment register.
bool may_be_read(u64 desc) {
  constexpr unsigned guest_ring = 3;
  if (!(desc & descriptor_segment)) return false;
  if (!(desc & descriptor_code)) return descriptor_dpl(desc) == guest_ring;
  if (!(desc & descriptor_readable)) return false;
  return (desc & descriptor_conforming) != 0 || descriptor_dpl(desc) == guest_ring;
}

}  // namespace

outcome set_ldt(machine& m, vcpu& curr, u64 va, u32 ents) {
  if (ents == 0) va = ~u64{0};  // as Xen says it
  if (ents > ldt_entries_max || (ents != 0 && ((va & PAGE_OFFSET_MASK) != 0 || !addr_ok(va)))) {
    messages::bad_set_ldt(m, va, ents);
    return refuse(xen_errno::einval);
  }
  if (curr.ldt_ents == ents && curr.ldt_base == va) return {};
  if (pv_destroy_ldt(m, curr)) m.flush_tlb(*curr.dom, u64{1} << curr.id, flush_reason::guest);
  curr.ldt_base = va;
  curr.ldt_ents = ents;
  return {};
}

bool pv_destroy_ldt(machine& m, vcpu& v) {
  bool dropped = false;
  for (mfn_t& frame : v.ldt_frames) {
    if (frame.n == 0) continue;
    put_page_and_type(m, m.page(std::exchange(frame, mfn_t{})));
    dropped = true;
  }
  return dropped;
}

access_result load_selector(machine& m, vcpu& curr, u16 selector, cpu_mode mode) {
  assert((selector & selector_ti) != 0 && "the GDT is not modelled as the processor's");
  const u32 error_code = selector & ~u32{3};
  const u64 offset = selector & ~u64{7};
  if (offset / sizeof(u64) >= curr.ldt_ents) return raise(exception_vector::general_protection, error_code);
  const mfn_t& frame = curr.ldt_frames[offset >> PAGE_SHIFT];
  if (frame.n == 0 && !pv_map_ldt_shadow_page(m, curr, offset))
    return ldt_mapping_fault(m, curr, offset, error_code, mode);
  const auto slot = static_cast<unsigned>((offset & PAGE_OFFSET_MASK) / sizeof(u64));
  const u64 desc = m.words(frame)[slot];
  if (!may_be_read(desc)) return raise(exception_vector::general_protection, error_code);
  if (!(desc & descriptor_present)) return raise(exception_vector::segment_not_present, error_code);
  if (!(desc & descriptor_accessed)) m.write_pte(frame, slot, desc | descriptor_accessed);
  return {};
}

}  // namespace pvmmu::xen
