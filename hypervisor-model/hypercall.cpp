#include "hypervisor-model/hypercall.h"

#include <cassert>

#include "hypervisor-model/descriptors.h"
#include "hypervisor-model/grant_table.h"
#include "hypervisor-model/memory_op.h"
#include "hypervisor-model/mmu_update.h"
#include "hypervisor-model/mmuext_op.h"
#include "hypervisor-model/multicall.h"
#include "hypervisor-model/outcome.h"
#include "hypervisor-model/update_va_mapping.h"
#include "hypervisor-model/vcpu_op.h"

namespace pvmmu::xen {
namespace {

/// Xen's hypercall table.
struct dispatch {
  machine& m;
  vcpu& curr;
  long operator()(mmu_update_call& c) const { return do_mmu_update(m, curr, c); }
  long operator()(mmuext_op_call& c) const { return do_mmuext_op(m, curr, c); }
  long operator()(update_va_mapping_call& c) const { return do_update_va_mapping(m, curr, c); }
  long operator()(update_va_mapping_otherdomain_call& c) const { return do_update_va_mapping_otherdomain(m, curr, c); }
  long operator()(multicall_call& c) const { return do_multicall(m, curr, c); }
  long operator()(set_gdt_call& c) const { return do_set_gdt(m, curr, c); }
  long operator()(update_descriptor_call& c) const { return do_update_descriptor(m, curr, c); }
  long operator()(vm_assist_call& c) const { return do_vm_assist(c); }
  long operator()(grant_table_op_call& c) const { return do_grant_table_op(m, curr, c); }
  long operator()(memory_op_call& c) const { return do_memory_op(m, curr, c); }
  /// xen 4.17 arch/x86/pv/iret.c: what the frame says is what the guest finds.
  long operator()(iret_call& c) const { return static_cast<long>(c.rax); }
  long operator()(vcpu_op_call& c) const { return do_vcpu_op(m, curr, c); }
  long operator()(unknown_call&) const { return to_result(xen_errno::enosys); }

  /// xen 4.17 common/kernel.c do_vm_assist; the types that a 64-bit PV guest may name: asm/domain.h:755.
  long do_vm_assist(const vm_assist_call& c) const {
    constexpr u64 valid = 0b1111 | u64{1} << VMASST_TYPE_architectural_iopl |
                          u64{1} << VMASST_TYPE_runstate_update_flag | u64{1} << VMASST_TYPE_m2p_strict;
    if (c.type >= 64 || !(valid >> c.type & 1)) return to_result(xen_errno::einval);
    const u64 bit = u64{1} << c.type;
    switch (c.cmd) {
      case VMASST_CMD_enable: curr.dom->vm_assist |= bit; return 0;
      case VMASST_CMD_disable: curr.dom->vm_assist &= ~bit; return 0;
      default: return to_result(xen_errno::enosys);
    }
  }
};

}  // namespace

long do_hypercall_piece(machine& m, vcpu& curr, hypercall& call) {
  m.current = &curr;
  curr.hcall_preempted = false;
  if (m.listening()) m.notify(event_kind::call_begin, 0, {}, 0, hypercall_number(call));
  const long result = std::visit(dispatch{m, curr}, call);
  if (m.listening()) m.notify(event_kind::call_end, 0, {}, 0, static_cast<u64>(result));
  return result;
}

long do_hypercall(machine& m, vcpu& curr, hypercall& call) {
  assert(!curr.dom->crashed && "a crashed domain runs no more");
  for (;;) {
    const long result = do_hypercall_piece(m, curr, call);
    if (!curr.hcall_preempted || curr.dom->crashed) return result;
  }
}

}  // namespace pvmmu::xen
