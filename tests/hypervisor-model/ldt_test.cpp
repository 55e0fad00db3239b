// The LDT's frames: taken when a selector is loaded, held until the LDT or the L4 is another (xen 4.17 pv/mm.c:61,
// pv/descriptor-tables.c:32).

#include <cstdlib>
#include <random>

#include "hypervisor-model/audit_transitions.h"
#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

class ldt_test : public hypervisor_test {
 protected:
  ldt_test() {
    // Data, writable; code, execute only; data that is not present, of ring 0 and of ring 3; a call gate.
    const std::array<u64, 5> descs{data_segment, 0x00cff8000000ffff, 0x00cf12000000ffff, 0x00cf72000000ffff,
                                   0x0000ec00e0330000};
    for (unsigned i = 0; i < descs.size(); ++i) d0.word(ldt, i + 1) = descs[i];
    EXPECT_EQ(d0.update(t.l1, 1, make_pte(ldt, ro_flags)), 0);
  }

  long set_ldt(u64 va, u32 ents) { return d0.ext({MMUEXT_SET_LDT, va, ents, {}}); }
  /// Of the LDT, by index, with RPL 3.
  access_result load(u64 index, cpu_mode mode = cpu_mode::kernel) {
    return d0.access(access_kind::load_selector, 0, index << 3 | 7, 8, 0, mode);
  }
  static std::string text(const access_result& r) {
    if (!r.fault) return "loaded";
    return fmt::format("{} {:#x} at {:#x}", exception_name(r.vector), r.error_code, r.cr2);
  }

  static constexpr u64 data_segment = 0x00cff2000000ffff;
  tree t = d0.boot();
  mfn_t ldt = d0.frame();  ///< mapped at page 1
};

// SET_LDT takes nothing; the first selector does, one frame a page; setting it to something else gives all back.
TEST_F(ldt_test, frames_are_taken_when_needed) {
  const mfn_t second = d0.frame();
  d0.word(second, 0) = data_segment;
  ASSERT_EQ(d0.update(t.l1, 2, make_pte(second, ro_flags)), 0);
  ASSERT_EQ(set_ldt(PAGE_SIZE, 8192), 0);
  EXPECT_EQ(d0.state(ldt), "2 none|0");
  EXPECT_EQ(text(load(1)), "loaded");
  EXPECT_EQ(d0.state(ldt), "3 seg_desc|validated|1");
  EXPECT_EQ(text(load(1)), "loaded");
  EXPECT_EQ(d0.state(ldt), "3 seg_desc|validated|1") << "once";
  EXPECT_EQ(text(load(512)), "loaded");
  EXPECT_EQ(d0.state(second), "3 seg_desc|validated|1");
  EXPECT_EQ(set_ldt(PAGE_SIZE, 8192), 0);
  EXPECT_EQ(d0.state(ldt), "3 seg_desc|validated|1") << "nothing was changed";
  EXPECT_EQ(set_ldt(PAGE_SIZE, 8191), 0);
  EXPECT_EQ(d0.state(ldt), "2 seg_desc|validated|0") << "type and validated stay";
  EXPECT_EQ(d0.state(second), "2 seg_desc|validated|0");
}

// What the processor says of a descriptor. Whatever it is, the frame stays the LDT's.
TEST_F(ldt_test, descriptors) {
  ASSERT_EQ(set_ldt(PAGE_SIZE, 7), 0);
  EXPECT_EQ(text(load(7)), "#GP 0x3c at 0x0") << "beyond the LDT: nothing is looked at";
  EXPECT_EQ(d0.state(ldt), "2 none|0");
  EXPECT_EQ(text(load(0)), "#GP 0x4 at 0x0") << "0 is no segment";
  EXPECT_EQ(text(load(2)), "#GP 0x14 at 0x0") << "execute only";
  EXPECT_EQ(text(load(3)), "#GP 0x1c at 0x0") << "of ring 0";
  EXPECT_EQ(text(load(4)), "#NP 0x24 at 0x0");
  EXPECT_EQ(text(load(5)), "#GP 0x2c at 0x0") << "a gate";
  EXPECT_EQ(d0.state(ldt), "3 seg_desc|validated|1");
  EXPECT_EQ(d0.word(ldt, 1), data_segment);
  EXPECT_EQ(text(load(1)), "loaded");
  EXPECT_EQ(d0.word(ldt, 1), data_segment | u64{1} << 40) << "accessed";
}

// Where nothing is mapped, or what cannot be a descriptor page: the guest's #PF, at the LDT's own address.
TEST_F(ldt_test, pages_that_cannot_be_had) {
  ASSERT_EQ(set_ldt(0, 8192), 0);
  EXPECT_EQ(text(load(1)), "#PF 0x0 at 0x8") << "mapped writable";
  EXPECT_EQ(text(load(1, cpu_mode::user)), "#PF 0x4 at 0x8");
  EXPECT_EQ(text(load(9 * 512)), "#PF 0x0 at 0x9000") << "not mapped";
  EXPECT_EQ(d0.state(t.data), "2 writable|validated|1");
  d0.word(ldt, 9) = 0x0000890000000067;  // a TSS: no guest may have one
  EXPECT_EQ(text(load(512 + 1)), "#PF 0x0 at 0x1008");
  EXPECT_EQ(d0.state(ldt), "2 none|0");
  ASSERT_EQ(set_ldt((u64{1} << 47) - PAGE_SIZE, 1024), 0);
  EXPECT_EQ(text(load(512)), "#GP 0x1004 at 0x0") << "not canonical";
}

// A held frame is not writable, whatever becomes of the guest's own mapping.
TEST_F(ldt_test, a_frame_in_use_stays_read_only) {
  ASSERT_EQ(set_ldt(PAGE_SIZE, 512), 0);
  ASSERT_EQ(text(load(1)), "loaded");
  EXPECT_EQ(d0.update(t.l1, 1, make_pte(ldt, rw_flags)), EBUSY_);
  EXPECT_EQ(d0.update(t.l1, 1, 0), 0);
  EXPECT_EQ(d0.state(ldt), "2 seg_desc|validated|1");
  EXPECT_EQ(text(load(1)), "loaded") << "through Xen's mapping";
  EXPECT_EQ(d0.update(t.l1, 1, make_pte(ldt, rw_flags)), EBUSY_);
  EXPECT_EQ(set_ldt(0, 0), 0);
  EXPECT_EQ(d0.update(t.l1, 1, make_pte(ldt, rw_flags)), 0);
}

// Another L4 gives the frames back, the same one and another user table do not; the next selector takes them again.
TEST_F(ldt_test, another_root) {
  const tree u = d0.build_tree();
  ASSERT_EQ(set_ldt(PAGE_SIZE, 512), 0);
  ASSERT_EQ(text(load(1)), "loaded");
  EXPECT_EQ(d0.baseptr(t.l4), 0);
  EXPECT_EQ(d0.user_baseptr(u.l4), 0);
  EXPECT_EQ(d0.baseptr(u.l3), EINVAL_);
  EXPECT_EQ(d0.state(ldt), "3 seg_desc|validated|1");
  EXPECT_EQ(d0.baseptr(u.l4), 0);
  EXPECT_EQ(d0.state(ldt), "1 seg_desc|validated|0") << "and its mapping has gone with the tables";
  EXPECT_EQ(text(load(1)), "#PF 0x0 at 0x1008") << "not mapped there";
  ASSERT_EQ(d0.update(u.l1, 1, make_pte(ldt, ro_flags)), 0);
  EXPECT_EQ(text(load(1)), "loaded");
}

// The tables on the way become accessed, the entry of the page does not: Xen reads it through its linear map.
TEST_F(ldt_test, accessed_bits) {
  const auto accessed = [this](mfn_t table, unsigned slot) { return (d0.word(table, slot) & PAGE_ACCESSED) != 0; };
  for (const mfn_t table : {t.l3, t.l2}) d0.word(table, 0) &= ~PAGE_ACCESSED;
  d0.word(t.l1, 1) &= ~PAGE_ACCESSED;
  ASSERT_EQ(set_ldt(PAGE_SIZE, 512), 0);
  ASSERT_EQ(text(load(1)), "loaded");
  EXPECT_TRUE(accessed(t.l3, 0));
  EXPECT_TRUE(accessed(t.l2, 0));
  EXPECT_FALSE(accessed(t.l1, 1));
}

// The references of the LDT are part of the recount, and go with the domain.
TEST_F(ldt_test, the_end_of_a_domain) {
  const tree v = d1.boot();
  const mfn_t own = d1.frame();
  ASSERT_EQ(d1.update(v.l1, 1, make_pte(own, ro_flags)), 0);
  ASSERT_EQ(d1.ext({MMUEXT_SET_LDT, PAGE_SIZE, 512, {}}), 0);
  EXPECT_TRUE(d1.access(access_kind::load_selector, 0, 7).fault);
  EXPECT_EQ(d1.state(own), "3 seg_desc|validated|1");
  EXPECT_EQ(describe(audit(m)), "");
  d1.cpu().ldt_frames[0] = {};
  EXPECT_NE(describe(audit(m)), "") << "a reference that nobody holds";
  d1.cpu().ldt_frames[0] = own;
  m.remove_domain(1);
  EXPECT_EQ(m.page(own).owner, owner_none);
  EXPECT_EQ(m.page(own).type_info, 0u);
}

// Whatever takes an LDT's pages, gives them back or wants them for something else: after each step every count can be
// explained, and nobody can write to a page in use. Prints its seed; PVMMU_SEED=n replays one.
TEST_F(ldt_test, the_state_is_sound_after_every_step) {
  const char* const given = std::getenv("PVMMU_SEED");
  const u64 seed = given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  fmt::print("PVMMU_SEED={}\n", seed);
  std::mt19937_64 random(seed);
  const auto below = [&random](u64 n) { return random() % n; };
  const tree u = d0.build_tree();
  ASSERT_EQ(d0.pin(4, t.l4), 0);
  ASSERT_EQ(d0.pin(4, u.l4), 0);
  const std::array pages{ldt, d0.frame(), d0.frame(), u.l1};
  const transition_audit watching(m);
  u64 loaded = 0, given_back = 0;
  for (int step = 0; step < 3000; ++step) {
    const mfn_t page = pages[below(pages.size())];
    const mfn_t held = d0.cpu().ldt_frames[0];
    const bool other = below(2) == 0;
    const auto slot = static_cast<unsigned>(below(4));
    switch (below(8)) {
      case 0: set_ldt(slot * PAGE_SIZE, other ? 1000 : 2000); break;
      case 1: d0.baseptr(other ? u.l4 : t.l4); break;
      case 2: d0.update(other ? u.l1 : t.l1, slot, make_pte(page, below(4) == 0 ? rw_flags : ro_flags)); break;
      case 3: d0.call(update_descriptor_call{mfn_to_maddr(page, slot * 8).bytes, data_segment}); break;
      case 4:
        d0.pin(1, page);
        d0.unpin(page);
        break;
      default: loaded += load((other ? 512u : 0u) + slot).fault ? 0 : 1;
    }
    if (held.n != 0 && d0.cpu().ldt_frames[0].n == 0) ++given_back;
    ASSERT_EQ(describe(audit(m)) + describe(watching.findings()), "") << "step " << step;
  }
  EXPECT_GT(loaded, 100u);
  EXPECT_GT(given_back, 10u);
}

}  // namespace
}  // namespace pvmmu::xen
