// Segment-descriptor pages: set_gdt and update_descriptor (xen 4.17 pv/descriptor-tables.c).

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

class descriptors_test : public hypervisor_test {
 protected:
  long set_gdt(const std::vector<u64>& frames, u32 entries) { return d0.call(set_gdt_call{{frames, false}, entries}); }
  long update_descriptor(mfn_t mfn, unsigned slot, u64 desc) {
    return d0.call(update_descriptor_call{mfn_to_maddr(mfn, slot * 8).bytes, desc});
  }

  /// A flat 64-bit user code segment; a 64-bit TSS, which no guest may install.
  static constexpr u64 code_segment = 0x00affb000000ffff;
  static constexpr u64 task_segment = 0x0000890000000067;
  tree t = d0.boot();
};

// Each GDT frame holds one general and one seg_desc reference.
TEST_F(descriptors_test, set_gdt_takes_references) {
  const mfn_t a = d0.frame(), b = d0.frame();
  EXPECT_EQ(set_gdt({a.n, b.n}, 513), 0);
  EXPECT_EQ(d0.state(a), "2 seg_desc|validated|1");
  EXPECT_EQ(d0.state(b), "2 seg_desc|validated|1");
  EXPECT_EQ(set_gdt({b.n}, 512), 0) << "the new ones are taken before the old are dropped";
  EXPECT_EQ(d0.state(a), "1 seg_desc|validated|0") << "type and validated stay";
  EXPECT_EQ(d0.state(b), "2 seg_desc|validated|1");
  EXPECT_EQ(set_gdt({}, 0), 0);
  EXPECT_EQ(d0.state(b), "1 seg_desc|validated|0");
}

// The same frame in two slots counts twice.
TEST_F(descriptors_test, a_frame_may_be_used_twice) {
  const mfn_t a = d0.frame();
  EXPECT_EQ(set_gdt({a.n, a.n}, 1024), 0);
  EXPECT_EQ(d0.state(a), "3 seg_desc|validated|2");
}

// Too many entries, a frame that is no one's own or cannot be had as seg_desc: -EINVAL, and the old GDT stays.
TEST_F(descriptors_test, set_gdt_errors) {
  const mfn_t a = d0.frame();
  ASSERT_EQ(set_gdt({a.n}, 512), 0);
  EXPECT_EQ(set_gdt(std::vector<u64>(15, a.n), 7169), EINVAL_);
  EXPECT_EQ(set_gdt({a.n, d1.frame().n}, 1024), EINVAL_);
  EXPECT_EQ(set_gdt({a.n, t.data.n}, 1024), EINVAL_) << "mapped writable";
  EXPECT_EQ(set_gdt({a.n, t.l1.n}, 1024), EINVAL_) << "a page table";
  EXPECT_EQ(set_gdt({a.n, m.config().frames}, 1024), EINVAL_);
  EXPECT_EQ(set_gdt({a.n}, 1024), EFAULT_) << "the second frame cannot be read";
  EXPECT_EQ(d0.state(a), "2 seg_desc|validated|1");
}

// A frame with a descriptor that a guest may not have is refused, and left without a type.
TEST_F(descriptors_test, a_gdt_is_validated) {
  const mfn_t a = d0.frame();
  d0.word(a, 3) = code_segment;
  EXPECT_EQ(set_gdt({a.n}, 512), 0);
  const mfn_t b = d0.frame();
  d0.word(b, 3) = task_segment;
  EXPECT_EQ(set_gdt({b.n}, 512), EINVAL_);
  EXPECT_EQ(d0.info(b).type_info, 0u);
}

// A GDT frame cannot be mapped writable, nor the other way round.
TEST_F(descriptors_test, seg_desc_and_writable_exclude_each_other) {
  const mfn_t a = d0.frame();
  ASSERT_EQ(set_gdt({a.n}, 512), 0);
  EXPECT_EQ(d0.update(t.l1, 1, make_pte(a, rw_flags)), EBUSY_);
  EXPECT_EQ(d0.update(t.l1, 1, make_pte(a, ro_flags)), 0);
}

// update_descriptor writes one descriptor, into a GDT in use or any page that can be writable.
TEST_F(descriptors_test, update_descriptor_writes) {
  const mfn_t a = d0.frame(), plain = d0.frame();
  ASSERT_EQ(set_gdt({a.n}, 512), 0);
  EXPECT_EQ(update_descriptor(a, 5, code_segment), 0);
  EXPECT_EQ(d0.word(a, 5), code_segment);
  EXPECT_EQ(d0.state(a), "2 seg_desc|validated|1");
  EXPECT_EQ(update_descriptor(plain, 5, code_segment), 0);
  EXPECT_EQ(d0.state(plain), "1 writable|validated|0");
}

// On a seg_desc page at count 0 it stays seg_desc (facts section 1).
TEST_F(descriptors_test, update_descriptor_keeps_an_unused_seg_desc) {
  const mfn_t a = d0.frame();
  ASSERT_EQ(set_gdt({a.n}, 512), 0);
  ASSERT_EQ(set_gdt({}, 0), 0);
  EXPECT_EQ(update_descriptor(a, 0, code_segment), 0);
  EXPECT_EQ(d0.state(a), "1 seg_desc|validated|0");
}

// Everything it refuses is -EINVAL: a forbidden descriptor, an unaligned address, a page table, a foreign frame.
TEST_F(descriptors_test, update_descriptor_errors) {
  const mfn_t a = d0.frame();
  EXPECT_EQ(update_descriptor(a, 0, task_segment), EINVAL_);
  EXPECT_EQ(d0.call(update_descriptor_call{mfn_to_maddr(a, 4).bytes, code_segment}), EINVAL_);
  EXPECT_EQ(update_descriptor(t.l1, 0, code_segment), EINVAL_);
  EXPECT_EQ(update_descriptor(d1.frame(), 0, code_segment), EINVAL_);
  EXPECT_EQ(update_descriptor({m.config().frames}, 0, code_segment), EINVAL_);
  EXPECT_EQ(d0.word(a, 0), 0u);
}

}  // namespace
}  // namespace pvmmu::xen
