#include "tools/record_roots.h"

#include <algorithm>

#include "proto/abi/frame.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::tools {

/// Of a call that was left all operations count: those that were not done come again, in the same order.
void followed_roots::take(const wire::hypercall& call, s64 result, u32 vcpu) {
  if (result < 0) return;
  for (const wire::mmuext_op_t& op : call.mmuext_op().uops()) {
    if (op.cmd() == MMUEXT_NEW_BASEPTR) vcpus_[vcpu].set_kernel_mfn(op.arg1());
    if (op.cmd() == MMUEXT_NEW_USER_BASEPTR) vcpus_[vcpu].set_user_mfn(op.arg1());
  }
  if (call.vcpu_op().cmd() == VCPUOP_initialise && call.vcpu_op().has_arg()) {
    recording::loaded_tables& loaded = vcpus_[call.vcpu_op().vcpuid()];
    loaded.set_kernel_mfn(call.vcpu_op().arg().cr3() >> PAGE_SHIFT);
    loaded.set_user_mfn(call.vcpu_op().arg().user_cr3() >> PAGE_SHIFT);
  }
}

void followed_roots::take(const recording::piece& piece) {
  if (piece.domid() != 0) return;
  take(piece.call(), piece.outcome().result(), piece.vcpu());
  const auto& entries = piece.call().multicall().call_list();
  for (int i = 0; i < std::min(entries.size(), piece.outcome().entries_size()); ++i)
    take(entries[i], piece.outcome().entries(i).result(), piece.vcpu());
}

std::vector<recording::loaded_tables> followed_roots::vcpus() const {
  std::vector<recording::loaded_tables> all;
  for (const auto& [number, loaded] : vcpus_) {
    all.resize(number);
    all.push_back(loaded);
  }
  return all;
}

}  // namespace pvmmu::tools
