#include "hypervisor-model/vcpu_op.h"

#include <algorithm>

#include "hypervisor-model/batch.h"
#include "hypervisor-model/cr3.h"
#include "hypervisor-model/descriptors.h"
#include "hypervisor-model/page_type.h"
#include "proto/abi/pte.h"

namespace pvmmu::xen {
namespace {

constexpr u64 context_ldt_ents_max = 8192;
constexpr std::size_t context_gdt_frames = 16;

outcome load_kernel_table(machine& m, vcpu& v, mfn_t mfn) {
  if (v.old_guest_table && m.mfn_of(*v.old_guest_table) == mfn) {
    v.old_guest_table = nullptr;  // preempted behind it: what was taken is still there
  } else {
    if (const outcome o = put_old_guest_table(m, v); !o) return o;
    if (const outcome o = get_root_table(m, *v.dom, mfn); !o) return o;
    show_ro_m2p(m, *v.dom, mfn);
  }
  m.notify(event_kind::cr3, v.id, mfn, v.guest_table.n, mfn.n);
  v.guest_table = mfn;
  return {};
}

/// Refused, it leaves the kernel's table loaded, and the next VCPUOP_initialise does not drop that
/// (domain.c:1371-1414).
outcome load_user_table(machine& m, vcpu& v, mfn_t mfn) {
  if (const outcome o = get_root_table(m, *v.dom, mfn); !o) {
    if (o.error() != xen_errno::erestart) return o;
    defer_old_guest_table(v, m.page(v.guest_table), nullptr, false);
    v.guest_table = {};
    return o;
  }
  hide_ro_m2p(m, *v.dom, mfn);
  m.notify(event_kind::cr3_user, v.id, mfn, v.guest_table_user.n, mfn.n);
  v.guest_table_user = mfn;
  return {};
}

/// Some numbers are cut to 32 bits, as Xen does.
bool acceptable(const vcpu_guest_context& c) {
  const auto nr_gdt_frames = static_cast<u32>((c.gdt_ents + entries_per_table - 1) / entries_per_table);
  return is_canonical(c.rip) && addr_ok(c.ldt_base) && (c.ldt_base & PAGE_OFFSET_MASK) == 0 &&
         c.ldt_ents <= context_ldt_ents_max && nr_gdt_frames <= gdt_frames_max &&
         ((c.flags & VGCF_in_kernel) != 0 || c.user_cr3 != 0);
}

outcome arch_set_info_guest(machine& m, vcpu& curr, vcpu& v, const vcpu_guest_context& c) {
  if (!acceptable(c)) return refuse(xen_errno::einval);
  v.ldt_ents = static_cast<u32>(c.ldt_ents);
  v.ldt_base = v.ldt_ents != 0 ? c.ldt_base : 0;
  if (const outcome o = put_old_guest_table(m, curr); !o) return o;
  std::array<u64, context_gdt_frames> frames{};
  std::ranges::copy(c.gdt_frames.first(std::min(c.gdt_frames.size(), frames.size())), frames.begin());
  if (const outcome o = set_gdt(m, v, frames, static_cast<u32>(c.gdt_ents)); !o) return o;
  outcome o = load_kernel_table(m, v, {c.cr3 >> PAGE_SHIFT});
  if (o && c.user_cr3 != 0) o = load_user_table(m, v, {c.user_cr3 >> PAGE_SHIFT});
  if (!o) {
    destroy_gdt(m, v);
    return o;
  }
  v.is_initialised = true;
  v.is_up = (c.flags & VGCF_online) != 0;
  return {};
}

long initialise(machine& m, vcpu& curr, vcpu& v, const vcpu_op_call& call) {
  if (!call.arg) return to_result(xen_errno::efault);
  if (v.is_initialised) return to_result(xen_errno::eexist);
  const outcome o = arch_set_info_guest(m, curr, v, *call.arg);
  if (!o && o.error() == xen_errno::erestart) return create_continuation(m, curr, HYPERVISOR_vcpu_op, 1);
  return to_result(o);
}

}  // namespace

long do_vcpu_op(machine& m, vcpu& curr, const vcpu_op_call& call) {
  if (call.vcpuid >= curr.dom->vcpus.size()) return to_result(xen_errno::enoent);
  vcpu& v = *curr.dom->vcpus[call.vcpuid];
  switch (call.cmd) {
    case VCPUOP_initialise: return initialise(m, curr, v, call);
    case VCPUOP_up:
      if (!v.is_initialised) return to_result(xen_errno::einval);
      v.is_up = true;
      return 0;
    case VCPUOP_is_up: return v.is_up ? 1 : 0;
    default: return to_result(xen_errno::enosys);
  }
}

}  // namespace pvmmu::xen
