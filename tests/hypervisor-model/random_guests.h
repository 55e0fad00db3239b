#pragma once
// Random guests: two domains on a small machine make calls and accesses that are mostly sensible, so that deep states
// are reached (trees, pins, linear tables, partial work), and sometimes not. All choices come from one source: a seed
// in the property tests, a fuzzer's bytes in tests/fuzz. The same choices make the same programs.
//
//   seeded_choices from(seed);
//   random_guests guests(from);
//   for (int i = 0; i < 100; ++i) {
//     guests.step();
//     EXPECT_EQ(describe(audit(guests.m)), "");
//   }

#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "hypervisor-model/guest_access.h"
#include "hypervisor-model/hypercall.h"

namespace pvmmu::xen {

class choices {
 public:
  virtual ~choices() = default;
  /// A number from 0 to n - 1.
  virtual u32 below(u32 n) = 0;
  bool one_in(u32 n) { return below(n) == 0; }
};

class seeded_choices : public choices {
 public:
  explicit seeded_choices(u64 seed) : engine_(seed) {}
  u32 below(u32 n) override { return static_cast<u32>(engine_() % n); }

 private:
  std::mt19937_64 engine_;
};

/// Wants the processor back after one check in `period` or so; with period 1 at every check.
class random_preemption : public preemption {
 public:
  random_preemption(u64 seed, u32 period) : from_(seed), period_(period) {}
  bool check() override { return from_.one_in(period_); }

 private:
  seeded_choices from_;
  u32 period_;
};

class random_guests {
 public:
  /// `after_piece`, if any, is called after every piece of a hypercall.
  explicit random_guests(choices& from, machine_config config = {.frames = 1024},
                         std::function<void()> after_piece = {});
  /// The guests of `other`, on a machine that is as theirs.
  random_guests(const random_guests& other, std::unique_ptr<machine> like_theirs, choices& from)
      : machine_(std::move(like_theirs)),
        m(*machine_),
        domu(other.domu),
        seen(other.seen),
        last(other.last),
        from_(from),
        frames_(other.frames_) {}

  /// One call or access of one vCPU, or now and then the end of the domU and the start of another.
  void step();

 private:
  std::unique_ptr<machine> machine_;

 public:
  machine& m;
  domid_t domu = 0;  ///< the other domain is dom0
  /// What the guests have seen: results, `done`, what accesses returned.
  std::vector<u64> seen;
  /// The last step in words.
  std::string last;

 private:
  /// What calls point to; lives as long as the call.
  struct call_memory {
    std::deque<std::vector<mmu_update_t>> updates;
    std::deque<std::vector<mmuext_op_t>> ops;
    std::deque<std::vector<u64>> frames;
    std::deque<std::vector<u64>> extents;
    std::deque<std::vector<multicall_entry>> calls;
    std::deque<std::vector<gnttab_map_grant_ref_t>> maps;
    std::deque<std::vector<gnttab_unmap_grant_ref_t>> unmaps;
  };

  void start_domain(domain_kind kind);
  void restart_domu();
  void run(vcpu& v, hypercall call);
  void note(const hypercall& call);
  void access(vcpu& v);
  /// Names frames that the domains have got in the place of those that they have lost.
  void replace_lost_frames();

  hypercall any_call(const domain& d, bool in_multicall);
  mmu_update_call any_mmu_update(const domain& d);
  mmuext_op_call any_mmuext_op(const domain& d);
  update_va_mapping_call any_va_mapping(const domain& d);
  grant_table_op_call any_grant_op(const domain& d);
  gnttab_unmap_grant_ref_t any_unmap(const domain& d);
  u64 any_host_addr(const domain& d, u32 flags);
  void change_grant(const domain& d);
  hypercall any_rare_call(const domain& d, bool in_multicall);
  memory_op_call any_memory_op(const domain& d);
  xen_memory_reservation any_reservation(const domain& d, bool of_frames, u32 nr);
  mmuext_op_t any_op(const domain& d);
  u64 any_entry(const domain& d, unsigned level);
  u64 any_va();
  unsigned any_slot();
  mfn_t any_frame(const domain& d);
  mfn_t frame_of_level(const domain& d, unsigned level);
  u32 any_foreigndom();
  u32 any_count(std::size_t size);
  done_arg any_done();

  choices& from_;
  std::function<void()> after_piece_;
  std::vector<std::vector<mfn_t>> frames_;  ///< by domid; frame i is meant to become a table of level i % 5 (0: data)
  call_memory memory_;
};

}  // namespace pvmmu::xen
