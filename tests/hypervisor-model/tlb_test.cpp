// What processors remember of translations, and what makes them forget it (Intel SDM vol. 3A, 4.10).

#include "hypervisor-model/machine/tlb.h"

#include "hypervisor-model/machine_image.h"
#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

using enum access_kind;

constexpr u64 page = 9 * PAGE_SIZE;  ///< where the tests map what they look at
constexpr u32 write_forbidden = PFEC_page_present | PFEC_write_access;

class tlb_test : public hypervisor_test {
 protected:
  explicit tlb_test(bool has_tlb = true) : hypervisor_test({.frames = 4096, .tlb = has_tlb}) {
    d0.word(a, 0) = 'a';
    d0.word(b, 0) = 'b';
    EXPECT_EQ(d0.update(t.l1, 9, make_pte(a, rw_flags)), 0);
    EXPECT_EQ(d0.update(t.l1, 10, make_pte(b, rw_flags)), 0);
  }

  u64 load(u64 va, unsigned vcpu = 0) {
    const access_result r = guest_access(m, d0.cpu(vcpu), {.kind = read, .va = va});
    EXPECT_FALSE(r.fault);
    return r.value;
  }
  access_result store(u64 va) { return d0.access(write, va, 1); }

  mfn_t a = d0.frame();
  mfn_t b = d0.frame();
  tree t = d0.boot();
};

class no_tlb_test : public tlb_test {
 protected:
  no_tlb_test() : tlb_test(false) {}
};

// An entry that was used goes on being used, though it names another frame by now, until its page is flushed.
TEST_F(tlb_test, an_entry_is_stale_until_it_is_flushed) {
  EXPECT_EQ(load(page), 'a');
  ASSERT_EQ(d0.update(t.l1, 9, make_pte(b, rw_flags)), 0);
  EXPECT_EQ(load(page), 'a');
  EXPECT_EQ(d0.ext({MMUEXT_INVLPG_LOCAL, page, 0, {}}), 0);
  EXPECT_EQ(load(page), 'b');
}

// INVLPG is of one page, whatever the offset in it; a flush is of all.
TEST_F(tlb_test, a_flush_of_one_page_leaves_the_others) {
  EXPECT_EQ(load(page), 'a');
  EXPECT_EQ(load(page + PAGE_SIZE), 'b');
  ASSERT_EQ(d0.update(t.l1, 9, make_pte(b, rw_flags)), 0);
  ASSERT_EQ(d0.update(t.l1, 10, make_pte(a, rw_flags)), 0);
  EXPECT_EQ(d0.ext({MMUEXT_INVLPG_LOCAL, page + 8, 0, {}}), 0);
  EXPECT_EQ(load(page), 'b');
  EXPECT_EQ(load(page + PAGE_SIZE), 'b') << "not flushed";
  EXPECT_EQ(d0.ext({MMUEXT_TLB_FLUSH_LOCAL, 0, 0, {}}), 0);
  EXPECT_EQ(load(page + PAGE_SIZE), 'a');
}

// Each vCPU has a TLB of its own: a flush of another's leaves this one's as it is.
TEST_F(tlb_test, a_local_flush_is_of_one_vcpu) {
  ASSERT_EQ(d0.baseptr(t.l4, 1), 0);
  EXPECT_EQ(load(page, 1), 'a');
  ASSERT_EQ(d0.update(t.l1, 9, make_pte(b, rw_flags)), 0);
  EXPECT_EQ(d0.ext({MMUEXT_TLB_FLUSH_LOCAL, 0, 0, {}}), 0);
  EXPECT_EQ(load(page, 1), 'a');
  EXPECT_EQ(d0.ext({MMUEXT_TLB_FLUSH_MULTI, 0, 0, u64{2}}), 0);
  EXPECT_EQ(load(page, 1), 'b');
}

// A write right that was taken away without a flush is still there; one that was given faults once, and no more: the
// fault made the processor forget the page.
TEST_F(tlb_test, rights_are_remembered_until_a_fault) {
  EXPECT_FALSE(store(page).fault);
  ASSERT_EQ(d0.update(t.l1, 9, make_pte(a, ro_flags)), 0);
  EXPECT_FALSE(store(page).fault);
  EXPECT_EQ(d0.ext({MMUEXT_INVLPG_LOCAL, page, 0, {}}), 0);
  EXPECT_EQ(store(page).error_code, write_forbidden);
  EXPECT_EQ(load(page), 1u);
  ASSERT_EQ(d0.update(t.l1, 9, make_pte(a, rw_flags)), 0);
  EXPECT_EQ(store(page).error_code, write_forbidden) << "spurious: the entry allows it";
  EXPECT_FALSE(store(page).fault);
}

// A store to a page that is known as clean walks, and marks the entry; one that is known as dirty does not.
TEST_F(tlb_test, dirty_bits_are_set_once) {
  const auto is_dirty = [&] { return (d0.word(t.l1, 9) & PAGE_DIRTY) != 0; };
  d0.word(t.l1, 9) &= ~PAGE_DIRTY;
  load(page);
  EXPECT_FALSE(store(page).fault);
  EXPECT_TRUE(is_dirty());
  d0.word(t.l1, 9) &= ~PAGE_DIRTY;
  EXPECT_FALSE(store(page).fault);
  EXPECT_FALSE(is_dirty());
}

// What is gone, or was marked as not accessed, is not looked up again by a flush; and a flush marks nothing itself.
TEST_F(tlb_test, a_flush_looks_again_at_what_is_in_use) {
  load(page);
  load(page + PAGE_SIZE);
  d0.word(t.l1, 9) &= ~PAGE_ACCESSED;
  EXPECT_EQ(d0.update(t.l1, 10, 0), 0);
  const std::size_t known = d0.cpu().tlb.size();
  EXPECT_EQ(d0.ext({MMUEXT_TLB_FLUSH_LOCAL, 0, 0, {}}), 0);
  EXPECT_EQ(d0.cpu().tlb.size(), known - 2);
  EXPECT_FALSE(d0.word(t.l1, 9) & PAGE_ACCESSED);
}

// Xen flushes a frame that was a table and becomes memory before it writes the entry that maps it writable. A
// processor that looks again in between has the old entry: that flush does not do instead of the guest's own.
TEST_F(tlb_test, a_flush_before_the_entry_is_written_is_too_early) {
  const mfn_t table = d0.frame();
  ASSERT_EQ(d0.update(t.l1, 11, make_pte(table, ro_flags)), 0);
  ASSERT_EQ(d0.pin(1, table), 0);
  const u64 va = 11 * PAGE_SIZE;
  EXPECT_EQ(load(va), 0u);
  ASSERT_EQ(d0.unpin(table), 0);
  const witness seen(m);
  ASSERT_EQ(d0.va_mapping(va, make_pte(table, rw_flags)), 0);
  EXPECT_EQ(seen.count(flush_reason::type_change), 1u);
  EXPECT_EQ(store(va).error_code, write_forbidden);
  EXPECT_FALSE(store(va).fault);
}

// A new base pointer flushes, and what belongs to no root that is loaded is forgotten for good.
TEST_F(tlb_test, a_new_base_pointer_flushes) {
  load(page);
  const tree other = d0.build_tree();
  ASSERT_EQ(d0.baseptr(other.l4), 0);
  EXPECT_TRUE(d0.cpu().tlb.empty());
}

// There is room for 64 translations: of one more, the first goes.
TEST_F(tlb_test, the_longest_known_goes_first) {
  tlb_entries known;
  for (u64 n = 0; n <= tlb_capacity; ++n) tlb_remember(known, {.root = t.l4, .page = n, .frame = a});
  EXPECT_EQ(known.size(), tlb_capacity);
  EXPECT_EQ(tlb_find(known, t.l4, 0), nullptr);
  EXPECT_NE(tlb_find(known, t.l4, PAGE_SIZE), nullptr);
  EXPECT_EQ(tlb_find(known, t.l3, PAGE_SIZE), nullptr) << "of another root";
  tlb_remember(known, {.root = t.l4, .page = 1, .frame = b});
  EXPECT_EQ(known.size(), tlb_capacity) << "one of each page";
  EXPECT_EQ(tlb_find(known, t.l4, PAGE_SIZE)->frame, b);
}

// An image holds it: a machine made of one is as stale as the first.
TEST_F(tlb_test, an_image_holds_it) {
  load(page);
  ASSERT_EQ(d0.update(t.l1, 9, make_pte(b, rw_flags)), 0);
  const auto again = restore(save(m));
  EXPECT_TRUE(save(*again) == save(m));
  vcpu& curr = *again->find_domain(0)->vcpus[0];
  EXPECT_EQ(guest_access(*again, curr, {.kind = read, .va = page}).value, u64{'a'});
}

// A machine without TLBs walks the tables at each access.
TEST_F(no_tlb_test, nothing_is_remembered) {
  EXPECT_EQ(load(page), 'a');
  ASSERT_EQ(d0.update(t.l1, 9, make_pte(b, ro_flags)), 0);
  EXPECT_EQ(load(page), 'b');
  EXPECT_EQ(store(page).error_code, write_forbidden);
  ASSERT_EQ(d0.update(t.l1, 9, make_pte(b, rw_flags)), 0);
  EXPECT_FALSE(store(page).fault);
  EXPECT_TRUE(d0.cpu().tlb.empty());
}

}  // namespace
}  // namespace pvmmu::xen
