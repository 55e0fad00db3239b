// Which tables the vCPUs run on, followed through their calls.

#include "tools/record_roots.h"

#include <gtest/gtest.h>

#include "proto/abi/hypercall.h"

namespace pvmmu::tools {
namespace {

void add_load(wire::hypercall& call, u32 cmd, u64 mfn) {
  wire::mmuext_op_t& op = *call.mutable_mmuext_op()->add_uops();
  op.set_cmd(cmd);
  op.set_arg1(mfn);
}

// A vCPU runs on what it loaded last, by itself or in a multicall; what was refused changes nothing.
TEST(record_roots, follow_what_is_loaded) {
  followed_roots roots;
  recording::piece alone;
  add_load(*alone.mutable_call(), MMUEXT_NEW_BASEPTR, 0x100);
  roots.take(alone);
  recording::piece multicall;
  multicall.set_vcpu(1);
  add_load(*multicall.mutable_call()->mutable_multicall()->add_call_list(), MMUEXT_NEW_BASEPTR, 0x200);
  add_load(*multicall.mutable_call()->mutable_multicall()->add_call_list(), MMUEXT_NEW_USER_BASEPTR, 0x201);
  multicall.mutable_outcome()->add_entries();
  multicall.mutable_outcome()->add_entries()->set_result(-22);
  roots.take(multicall);
  const auto vcpus = roots.vcpus();
  ASSERT_EQ(vcpus.size(), 2u);
  EXPECT_EQ(vcpus[0].kernel_mfn(), 0x100u);
  EXPECT_EQ(vcpus[1].kernel_mfn(), 0x200u);
  EXPECT_EQ(vcpus[1].user_mfn(), 0u);
}

// A vCPU begins on the tables that it was initialised with; other domains' are not followed.
TEST(record_roots, begin_with_vcpu_op) {
  followed_roots roots;
  recording::piece piece;
  piece.mutable_call()->mutable_vcpu_op()->set_vcpuid(1);
  piece.mutable_call()->mutable_vcpu_op()->mutable_arg()->set_cr3(0x345000);
  roots.take(piece);
  piece.set_domid(1);
  piece.mutable_call()->mutable_vcpu_op()->set_vcpuid(2);
  roots.take(piece);
  const auto vcpus = roots.vcpus();
  ASSERT_EQ(vcpus.size(), 2u);
  EXPECT_EQ(vcpus[1].kernel_mfn(), 0x345u);
}

}  // namespace
}  // namespace pvmmu::tools
