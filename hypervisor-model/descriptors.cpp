#include "hypervisor-model/descriptors.h"

#include "hypervisor-model/page_type.h"
#include "hypervisor-model/unsaid.h"

namespace pvmmu::xen {
namespace {

constexpr u32 first_reserved_gdt_entry = gdt_frames_max * entries_per_table;
constexpr u32 flat_kernel_cs = 0xe033;

/// A call gate may lead to the guest's own segments or to Xen's flat kernel segment (xen 4.17 asm/desc.h:72).
bool guest_gate_selector_okay(u32 selector) {
  const bool in_ldt = (selector & 4) != 0;
  return (selector >> 3) < first_reserved_gdt_entry || selector == flat_kernel_cs || in_ldt;
}

constexpr u32 nr_gdt_frames(u32 entries) { return (entries + entries_per_table - 1) / entries_per_table; }

bool get_segdesc_page(machine& m, mfn_t mfn, const domain& d) {
  page_info* const pg = get_page_from_mfn(m, mfn, d);
  if (!pg) return false;
  if (get_page_type(m, *pg, PGT_seg_desc_page)) return true;
  put_page(m, *pg);
  return false;
}

}  // namespace

bool check_descriptor(u64& desc) {
  // The upper half's fields: present 15, DPL 14:13, S 12, type 11:8.
  constexpr u32 segment_p = 1u << 15, segment_dpl = 3u << 13, segment_s = 1u << 12, segment_type = 0xfu << 8;
  constexpr u32 call_gate = 0xc00, kernel_rpl = 3;  // a PV64 kernel runs in ring 3
  u32 a = static_cast<u32>(desc);
  u32 b = static_cast<u32>(desc >> 32);
  if (!(b & segment_p)) return true;  // will always fault
  b |= segment_dpl;
  if (!(b & segment_s)) {
    if ((b & segment_type) == 0) return true;  // the second half of a call gate
    if ((b & segment_type) != call_gate || !guest_gate_selector_okay(a >> 16)) return false;
    // DPL 0 makes every use a #GP, which Xen emulates; the gate's own DPL is kept in the selector.
    b &= ~segment_dpl;
    a = (a & 0xffff) | (((a >> 16) & ~3u) | kernel_rpl) << 16;
    if (b & 0xff) return false;
  }
  desc = (u64{b} << 32) | a;
  return true;
}

outcome validate_segdesc_page(machine& m, page_info& pg) {
  const mfn_t mfn = m.mfn_of(pg);
  for (unsigned i = 0; i < entries_per_table; ++i) {
    u64 desc = m.words(mfn)[i];
    if (!check_descriptor(desc)) {
      unsaid::bad_descriptor(m, mfn, i, desc);
      return refuse(xen_errno::einval);
    }
    if (desc != m.words(mfn)[i]) m.write_pte(mfn, i, desc);
  }
  return {};
}

void destroy_gdt(machine& m, vcpu& v) {
  v.gdt_ents = 0;
  for (mfn_t& frame : v.gdt_frames) {
    if (frame.n != 0) put_page_and_type(m, m.page(frame));
    frame = {};
  }
}

outcome set_gdt(machine& m, vcpu& v, std::span<const u64> frames, u32 entries) {
  if (entries > first_reserved_gdt_entry) {
    unsaid::gdt_too_long(m, entries);
    return refuse(xen_errno::einval);
  }
  const u32 nr_frames = nr_gdt_frames(entries);
  for (u32 i = 0; i < nr_frames; ++i) {
    if (get_segdesc_page(m, {frames[i]}, *v.dom)) continue;
    while (i-- > 0) put_page_and_type(m, m.page({frames[i]}));
    return refuse(xen_errno::einval);
  }
  destroy_gdt(m, v);
  v.gdt_ents = entries;
  for (u32 i = 0; i < nr_frames; ++i) v.gdt_frames[i] = {frames[i]};
  return {};
}

long do_set_gdt(machine& m, vcpu& curr, const set_gdt_call& call) {
  const u32 nr_frames = call.entries > first_reserved_gdt_entry ? 0 : nr_gdt_frames(call.entries);
  if (nr_frames != 0 && (call.frame_list.null || call.frame_list.entries.size() < nr_frames)) {
    return to_result(xen_errno::efault);
  }
  const outcome o = set_gdt(m, curr, call.frame_list.entries, call.entries);
  if (o) m.flush_tlb(*curr.dom, u64{1} << curr.id, flush_reason::guest);
  return to_result(o);
}

long do_update_descriptor(machine& m, vcpu& curr, const update_descriptor_call& call) {
  u64 desc = call.desc;
  if (call.maddr % sizeof desc != 0 || !check_descriptor(desc)) {
    unsaid::bad_descriptor_update(m, call.maddr, call.desc);
    return to_result(xen_errno::einval);
  }
  const mfn_t mfn = maddr_to_mfn({call.maddr});
  page_info* const pg = get_page_from_mfn(m, mfn, *curr.dom);
  if (!pg) return to_result(xen_errno::einval);
  // A frame of descriptors stays one, even at count 0; any other must be plain memory.
  const u64 type = same_type(pg->type_info, PGT_seg_desc_page) ? PGT_seg_desc_page : PGT_writable_page;
  const bool taken = get_page_type(m, *pg, type);
  if (taken) {
    m.write_pte(mfn, static_cast<unsigned>((call.maddr & PAGE_OFFSET_MASK) / sizeof desc), desc);
    put_page_type(m, *pg);
  }
  put_page(m, *pg);
  return taken ? 0 : to_result(xen_errno::einval);
}

}  // namespace pvmmu::xen
