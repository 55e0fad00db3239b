// vcpu_op: a vCPU is given its tables and descriptors (xen 4.17 common/domain.c, arch/x86/domain.c).

#include "proto/abi/errno.h"
#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

/// Preempts at each check once.
class at_every_check : public preemption {
 public:
  bool check() override { return preempts = !preempts; }
  bool preempts = false;
};

class vcpu_op_test : public hypervisor_test {
 protected:
  vcpu_guest_context context() const { return {.flags = VGCF_in_kernel, .cr3 = mfn_to_maddr(t.l4).bytes}; }
  long initialise(const vcpu_guest_context& c) { return d0.call(vcpu_op_call{VCPUOP_initialise, 1, c}); }

  tree running = d0.boot();
  tree t = d0.build_tree();
  std::vector<u64> gdt = {d0.frame().n};
};

// The vCPU holds its root, user mode's, and each frame of its GDT; it is not up.
TEST_F(vcpu_op_test, initialise_takes_the_references) {
  const mfn_t user = d0.frame();
  vcpu_guest_context c = context();
  c.user_cr3 = mfn_to_maddr(user).bytes;
  c.gdt_frames = gdt;
  c.gdt_ents = 8;
  EXPECT_EQ(initialise(c), 0);
  EXPECT_EQ(d0.state(t.l4), "2 l4|validated|1");
  EXPECT_EQ(d0.state(user), "2 l4|validated|1");
  EXPECT_EQ(d0.state({gdt[0]}), "2 seg_desc|validated|1");
  EXPECT_EQ(d0.call(vcpu_op_call{VCPUOP_is_up, 1, {}}), 0);
  EXPECT_EQ(initialise(c), to_result(xen_errno::eexist));
  EXPECT_EQ(d0.call(vcpu_op_call{VCPUOP_up, 1, {}}), 0);
  EXPECT_EQ(d0.call(vcpu_op_call{VCPUOP_is_up, 1, {}}), 1);
}

// Preempted wherever it can be, it goes on and comes to the same (XTF's test 296).
TEST_F(vcpu_op_test, initialise_is_preempted_and_returns_0) {
  const tree user = d0.build_tree();
  vcpu_guest_context c = context();
  c.user_cr3 = mfn_to_maddr(user.l4).bytes;
  c.gdt_frames = gdt;
  c.gdt_ents = 8;
  at_every_check schedule;
  preemption* const before = m.preempt_by(&schedule);
  EXPECT_EQ(initialise(c), 0);
  m.preempt_by(before);
  EXPECT_GT(m.perfc.continuations, 0u);
  EXPECT_EQ(d0.state(t.l4), "2 l4|validated|1");
  EXPECT_EQ(d0.state(user.l4), "2 l4|validated|1");
  EXPECT_EQ(d0.state({gdt[0]}), "2 seg_desc|validated|1");
}

// A root that is refused gives the GDT's frames back.
TEST_F(vcpu_op_test, a_bad_root_gives_the_gdt_back) {
  vcpu_guest_context c = context();
  c.cr3 = mfn_to_maddr(t.data).bytes;
  c.gdt_frames = gdt;
  c.gdt_ents = 8;
  d0.word(t.data, 0) = mfn_to_maddr(t.l3, table_flags | PAGE_PWT).bytes;
  EXPECT_EQ(initialise(c), EINVAL_);
  EXPECT_EQ(d0.state({gdt[0]}), "1 seg_desc|validated|0");
}

}  // namespace
}  // namespace pvmmu::xen
