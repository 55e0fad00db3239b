// Every holder of a frame by name, and what it holds: read from memory, not from the counts.

#include "hypervisor-model/audit_holders.h"

#include <array>

#include "hypervisor-model/grant_table.h"
#include "hypervisor-model/requested_preemption.h"
#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

/// "d0v0 kernel: 1 general, 1 l4".
std::string text(const holder& h) {
  static constexpr const char* types[] = {"none", "l1", "l2", "l3", "l4", "seg_desc", "shared", "writable"};
  std::string who;
  switch (h.kind) {
    case holder_kind::allocation: who = "allocation"; break;
    case holder_kind::pin: who = "pin"; break;
    case holder_kind::partial: who = "partial"; break;
    case holder_kind::shared_by_xen: who = "shared by Xen"; break;
    case holder_kind::table_entry:
      who = fmt::format("{}L{} {:#x}[{}]", h.linear ? "linear " : "", h.level, h.table.n, h.slot);
      break;
    case holder_kind::kernel_root: who = fmt::format("d{}v{} kernel", h.domid, h.vcpu); break;
    case holder_kind::user_root: who = fmt::format("d{}v{} user", h.domid, h.vcpu); break;
    case holder_kind::gdt: who = fmt::format("d{}v{} gdt {}", h.domid, h.vcpu, h.slot); break;
    case holder_kind::ldt: who = fmt::format("d{}v{} ldt {}", h.domid, h.vcpu, h.slot); break;
    case holder_kind::old_guest_table: who = fmt::format("d{}v{} old", h.domid, h.vcpu); break;
    case holder_kind::device_grant:
      who = fmt::format("d{} handle {} of d{}'s grant {}", h.domid, h.handle, h.granter, h.slot);
      break;
    case holder_kind::lost: who = "lost"; break;
  }
  return fmt::format("{}: {} general, {} {}", who, int{h.general}, int{h.typed}, types[h.type >> 61]);
}

class audit_holders_test : public hypervisor_test {
 protected:
  std::vector<std::string> holding(mfn_t mfn) {
    std::vector<std::string> all;
    for (const holder& h : holders_of(m, mfn)) all.push_back(text(h));
    return all;
  }
  static std::string entry(unsigned level, mfn_t table, unsigned slot, const char* holds) {
    return fmt::format("L{} {:#x}[{}]: {}", level, table.n, slot, holds);
  }
  using list = std::vector<std::string>;
  static constexpr const char* allocation = "allocation: 1 general, 0 none";

  tree t = d0.boot();
};

// A pinned tree that a vCPU runs on in both modes, down to a page that is mapped twice.
TEST_F(audit_holders_test, a_tree) {
  ASSERT_EQ(d0.update(t.l1, 1, make_pte(t.data, ro_flags)), 0);
  ASSERT_EQ(d0.pin(4, t.l4), 0);
  ASSERT_EQ(d0.user_baseptr(t.l4), 0);
  EXPECT_EQ(holding(t.l4),
            (list{allocation, "pin: 1 general, 1 l4", "d0v0 kernel: 1 general, 1 l4", "d0v0 user: 1 general, 1 l4"}));
  EXPECT_EQ(holding(t.l2), (list{allocation, entry(3, t.l3, 0, "1 general, 1 l2")}));
  EXPECT_EQ(holding(t.data),
            (list{allocation, entry(1, t.l1, 0, "1 general, 1 writable"), entry(1, t.l1, 1, "1 general, 0 none")}));
}

// Tables that nobody has validated hold nothing, whatever is written in them.
TEST_F(audit_holders_test, plain_memory) {
  const tree u = d0.build_tree();
  EXPECT_EQ(holding(u.l1), list{allocation});
  EXPECT_EQ(holding(u.data), list{allocation});
}

// The counts are not read: wrong ones change nothing.
TEST_F(audit_holders_test, counts_are_not_read) {
  const list before = holding(t.l1);
  for (u64* const word : {&d0.info(t.l1).count_info, &d0.info(t.l1).type_info, &d0.info(t.l2).type_info}) {
    *word += 7;
    EXPECT_EQ(holding(t.l1), before);
    *word -= 7;
  }
}

// A partial table holds the references of the slots that it has been through, and a general one of that it stopped at.
TEST_F(audit_holders_test, partial_tables) {
  const tree u = d0.build_tree();
  const std::array<u32, 1> at{10};
  const requested_preemption when(m, at);
  std::vector<mmuext_op_t> ops{{MMUEXT_PIN_L4_TABLE, u.l4.n, 0, {}}};
  hypercall call = mmuext_op_call{{ops, false}, 1, {done_arg::state::writable}};
  ASSERT_EQ(do_hypercall_piece(m, d0.cpu(), call), HYPERVISOR_mmuext_op);
  EXPECT_EQ(holding(u.l4), (list{allocation, "partial: 1 general, 1 l4"}));
  EXPECT_EQ(holding(u.l3), (list{allocation, "partial: 1 general, 1 l3", entry(4, u.l4, 0, "1 general, 0 none")}));
  EXPECT_EQ(holding(u.l1), (list{allocation, entry(2, u.l2, 0, "1 general, 1 l1")}));
}

// A table of which an entry was dropped in vain waits in the vCPU.
TEST_F(audit_holders_test, an_old_guest_table) {
  const tree u = d0.build_tree();
  ASSERT_EQ(d0.update(t.l3, 1, make_pte(u.l2, table_flags)), 0);
  std::vector<mmu_update_t> updates{entry_update(t.l3, 1, 0)};
  hypercall call = mmu_update_call{{updates, false}, 1, {done_arg::state::writable}, DOMID_SELF};
  ASSERT_EQ(do_hypercall_piece(m, d0.cpu(), call), HYPERVISOR_mmu_update);
  EXPECT_EQ(holding(u.l2), (list{allocation, "d0v0 old: 1 general, 1 l2"}));
  while (d0.cpu().hcall_preempted) do_hypercall_piece(m, d0.cpu(), call);
  EXPECT_EQ(holding(u.l2), list{allocation});
}

// An entry to a table of the same level counts as that level; one to itself holds nothing.
TEST_F(audit_holders_test, linear_entries) {
  const tree u = d0.build_tree();
  ASSERT_EQ(d0.pin(2, u.l2), 0);
  ASSERT_EQ(d0.update(t.l2, 3, make_pte(u.l2, linear_flags)), 0);
  ASSERT_EQ(d0.update(t.l2, 4, make_pte(t.l2, linear_flags)), 0);
  EXPECT_EQ(holding(u.l2),
            (list{allocation, "pin: 1 general, 1 l2", fmt::format("linear L2 {:#x}[3]: 1 general, 1 l2", t.l2.n)}));
  EXPECT_EQ(holding(t.l2), (list{allocation, entry(3, t.l3, 0, "1 general, 1 l2")}));
}

// Pages of descriptor tables, by their page of the table.
TEST_F(audit_holders_test, descriptor_tables) {
  const mfn_t gdt = d0.frame(), ldt = d0.frame();
  ASSERT_EQ(d0.call(set_gdt_call{{std::vector<u64>{gdt.n, gdt.n}, false}, 1024}), 0);
  ASSERT_EQ(d0.update(t.l1, 1, make_pte(ldt, ro_flags)), 0);
  ASSERT_EQ(d0.ext({MMUEXT_SET_LDT, PAGE_SIZE, 512, {}}), 0);
  d0.access(access_kind::load_selector, 0, 7);
  EXPECT_EQ(holding(gdt), (list{allocation, "d0v0 gdt 0: 1 general, 1 seg_desc", "d0v0 gdt 1: 1 general, 1 seg_desc"}));
  EXPECT_EQ(holding(ldt),
            (list{allocation, entry(1, t.l1, 1, "1 general, 0 none"), "d0v0 ldt 0: 1 general, 1 seg_desc"}));
}

// A grant that is mapped for the processor is an entry, one that is mapped for devices a holder of its own.
TEST_F(audit_holders_test, grants) {
  d0.word(gnttab_grow_table(m, d0.d).value(), 8) = make_grant(t.data, GTF_permit_access, 0);
  std::vector<gnttab_map_grant_ref_t> maps{
      {.host_addr = PAGE_SIZE, .flags = GNTMAP_host_map | GNTMAP_device_map | GNTMAP_readonly, .ref = 8, .dom = 0}};
  ASSERT_EQ(d0.call(grant_table_op_call{std::span(maps), 1}), 0);
  ASSERT_EQ(maps[0].status, GNTST_okay);
  EXPECT_EQ(holding(t.data),
            (list{allocation, entry(1, t.l1, 0, "1 general, 1 writable"), entry(1, t.l1, 1, "1 general, 0 none"),
                  fmt::format("d0 handle {} of d0's grant 8: 1 general, 0 none", maps[0].handle)}));
}

// What Xen shares with a guest: it keeps the type for itself.
TEST_F(audit_holders_test, what_xen_shares) {
  const mfn_t shared = m.alloc_xenheap_page().value();
  share_xen_page_with_guest(m, d0.d, shared);
  EXPECT_EQ(holding(shared), (list{allocation, "shared by Xen: 0 general, 1 writable"}));
}

// An entry is met at an address in each L4 that leads to it, upper half and lower half alike; a table that no L4 leads
// to has none.
TEST_F(audit_holders_test, addresses) {
  const tree u = d0.build_tree();
  const auto addresses = [this](mfn_t table, unsigned slot, std::size_t limit = 10) {
    std::string all;
    for (const entry_address& a : reference_index(m).addresses_of(table, slot, limit))
      all += fmt::format("{:#x} in {:#x} of {}, ", a.va, a.l4.n, a.l4s);
    return all;
  };
  EXPECT_EQ(addresses(u.l1, 3), "");
  d0.word(u.l4, 0) = make_pte(t.l3, table_flags);
  ASSERT_EQ(d0.pin(4, u.l4), 0);
  ASSERT_EQ(d0.update(t.l4, 273, make_pte(t.l3, table_flags)), 0);
  ASSERT_EQ(d0.update(t.l3, 511, make_pte(t.l2, table_flags)), 0);
  const std::string low = fmt::format("0x3000 in {0:#x} of 2, 0x7fc0003000 in {0:#x} of 2, ", std::min(t.l4, u.l4).n);
  EXPECT_EQ(addresses(t.l1, 3, 2), low);
  EXPECT_EQ(addresses(t.l1, 3), low + fmt::format("0xffff888000003000 in {0:#x} of 1, 0xffff88ffc0003000 in {0:#x} of "
                                                  "1, ",
                                                  t.l4.n));
  EXPECT_EQ(addresses(t.l4, 273), fmt::format("0xffff888000000000 in {:#x} of 1, ", t.l4.n));
}

}  // namespace
}  // namespace pvmmu::xen
