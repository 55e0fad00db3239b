#pragma once
// Small domains built by hand, for the tests of the hypervisor's core: a test writes tables as plain words, as a guest
// does before Xen knows them, and then calls Xen. After every test the whole state is recounted by `audit`.
//
//   TEST_F(hypervisor_test, …) {
//     const tree t = d0.build_tree();
//     EXPECT_EQ(d0.pin(4, t.l4), 0);
//     EXPECT_EQ(d0.state(t.l4), "2 l4|pinned|validated|1");
//   }

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "hypervisor-model/audit.h"
#include "hypervisor-model/guest_access.h"
#include "hypervisor-model/hypercall.h"

namespace pvmmu::xen {

/// Flags of entries as a 64-bit PV Linux writes them; `_kernel` ones as Xen stores them for the guest's kernel.
inline constexpr u64 ro_flags = PAGE_PRESENT | PAGE_USER | PAGE_ACCESSED | PAGE_GLOBAL;
inline constexpr u64 rw_flags = ro_flags | PAGE_RW | PAGE_DIRTY;
inline constexpr u64 table_flags = PAGE_PRESENT | PAGE_RW | PAGE_USER | PAGE_ACCESSED;
inline constexpr u64 linear_flags = PAGE_PRESENT | PAGE_USER | PAGE_ACCESSED;

inline constexpr long EPERM_ = -1, ESRCH_ = -3, EACCES_ = -13, EFAULT_ = -14, EBUSY_ = -16, EINVAL_ = -22,
                      ENOSYS_ = -38, EOPNOTSUPP_ = -95;

/// Counts what happened, and keeps what Xen printed.
class witness : public event_sink {
 public:
  explicit witness(machine& m) : m_(m) { m_.listen(this); }
  ~witness() override { m_.listen(nullptr); }
  void on_event(const event& e) override {
    if (e.kind == event_kind::message) messages.emplace_back(e.text);
    events.push_back(e);
    events.back().text = {};
  }
  u64 count(event_kind kind) const;
  u64 count(flush_reason reason) const;
  /// The vCPU sets of the flushes made for this reason, in order.
  std::vector<u64> masks(flush_reason reason) const;

  std::vector<event> events;
  std::vector<std::string> messages;

 private:
  machine& m_;
};

/// One path through the tables: slot 0 of each, down to a data page.
struct tree {
  mfn_t l4, l3, l2, l1, data;
};

class guest {
 public:
  guest(machine& machine_, domain_kind kind, unsigned vcpus = 1);

  vcpu& cpu(unsigned id = 0) { return *d.vcpus[id]; }
  /// A fresh frame: count 1, no type, zero.
  mfn_t frame();
  u64& word(mfn_t mfn, unsigned slot) { return m.words(mfn)[slot]; }
  page_info& info(mfn_t mfn) { return m.page(mfn); }
  /// Tables as plain memory: validated by nobody yet. The data page is mapped writable.
  tree build_tree();
  /// A tree that vCPU 0 runs on.
  tree boot();

  /// "2 l1|pinned|validated|1": general count, type and its flags, type count.
  std::string state(mfn_t mfn);

  long call(hypercall call, unsigned vcpu = 0) { return do_hypercall(m, cpu(vcpu), call); }
  long update(mfn_t table, unsigned slot, u64 value, u32 cmd = MMU_NORMAL_PT_UPDATE, u32 foreigndom = DOMID_SELF);
  long updates(const std::vector<mmu_update_t>& list, u32 foreigndom = DOMID_SELF);
  long ext(const mmuext_op_t& op, u32 foreigndom = DOMID_SELF, unsigned vcpu = 0);
  long exts(const std::vector<mmuext_op_t>& list, u32 foreigndom = DOMID_SELF);
  long pin(unsigned level, mfn_t mfn, u32 foreigndom = DOMID_SELF) {
    return ext({level - 1, mfn.n, 0, {}}, foreigndom);
  }
  long unpin(mfn_t mfn, u32 foreigndom = DOMID_SELF) { return ext({MMUEXT_UNPIN_TABLE, mfn.n, 0, {}}, foreigndom); }
  long baseptr(mfn_t mfn, unsigned vcpu = 0) { return ext({MMUEXT_NEW_BASEPTR, mfn.n, 0, {}}, DOMID_SELF, vcpu); }
  long user_baseptr(mfn_t mfn) { return ext({MMUEXT_NEW_USER_BASEPTR, mfn.n, 0, {}}); }
  long va_mapping(u64 va, u64 value, u64 flags = UVMF_NONE, vcpumask_arg mask = {});
  access_result access(access_kind kind, u64 va, u64 value = 0, u8 bytes = 8, u64 expected = 0,
                       cpu_mode mode = cpu_mode::kernel);

  /// How many entries the last `updates` or `exts` reported done; nothing where Xen did not write it.
  std::optional<u32> done;

  machine& m;
  domain& d;
};

mmu_update_t entry_update(mfn_t table, unsigned slot, u64 value, u32 cmd = MMU_NORMAL_PT_UPDATE);

/// One line a finding.
std::string describe(const std::vector<audit_finding>& findings);

class hypervisor_test : public testing::Test {
 protected:
  explicit hypervisor_test(machine_config config = {.frames = 4096}) : m(config) {}
  void TearDown() override { EXPECT_EQ(describe(audit(m)), ""); }

  machine m;
  guest d0{m, domain_kind::dom0, 2};
  guest d1{m, domain_kind::domU, 2};
};

/// The same on a debug build of Xen, whose gdprintk messages appear.
class debug_hypervisor_test : public hypervisor_test {
 protected:
  debug_hypervisor_test() : hypervisor_test({.frames = 4096, .debug_build = true}) {}
};

}  // namespace pvmmu::xen
