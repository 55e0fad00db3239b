#pragma once
// What no single state shows, judged from one to the next: the second half of I5, I8 and I13 (audit.h lists them all).
//
//   transition_audit watching{m};         // overhears the machine until it ends
//   …                                     // calls
//   EXPECT_EQ(watching.findings(), …);    // what they broke
//
// I5: pins change by mmuext_op and by the end of a domain alone.
//
// I8: no TLB entry lets a guest write to its frame when that has become a page table or a descriptor page. A processor
// may have cached whatever its tables allowed it to write at any time after it was last flushed as a whole; that the
// flush of one page forgets that page is left out, as Xen leaves it out. Processors do not run while Xen does.
//
// I13: an operation that fails has changed nothing but the type of frames whose type count is 0, bits that Xen adds to
// entries, and descriptors that it mends. Batches that end beyond their list (-EFAULT) are not judged, nor is
// update_va_mapping with a bad mask, which gives -EFAULT after the fact. What the heap keeps of a free frame
// is its own. Nor is an operation judged that was preempted: I14 says that it ends as another. Nor is one that changes
// a table to which Xen has lost a reference (machine::lost_references): it stays partial, with all that it holds, until
// somebody asks for it. That the real Xen leaves types of tables and of descriptor pages, USER bits, the mark of a
// non-coherent mapping and mended descriptors so is seen in tests/conformance/programs/failed_calls_leave.textproto.

#include <map>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

#include "hypervisor-model/audit.h"
#include "proto/abi/event.h"

namespace pvmmu::xen {

class transition_audit : public event_sink {
 public:
  explicit transition_audit(machine& m);
  ~transition_audit() override;
  transition_audit(const transition_audit&) = delete;
  transition_audit& operator=(const transition_audit&) = delete;

  void on_event(const event& e) override;
  /// In the order in which they happened.
  const std::vector<audit_finding>& findings() const { return findings_; }

 private:
  using place = std::tuple<event_kind, mfn_t, u32>;  ///< a field of a frame, or a slot
  /// What a vCPU's processor may have cached.
  struct possible_tlb {
    u32 flushed = 0;  ///< the vCPU's tlbflush_time when it was last looked at
    std::unordered_set<u64> writable{};
  };

  void begin_call(u64 number);
  void begin_operation();
  void end_call(s64 result);
  void note_change(const event& e);
  void forget();
  void check_failed(s64 result);
  void check_change(const place& where, u64 before, s64 result);
  void look_at_tlb(const vcpu& v);
  void read_writable(const domain& d, mfn_t table, unsigned level, possible_tlb& tlb);
  void find(const char* invariant, mfn_t mfn, std::string text);

  machine& m_;
  std::vector<audit_finding> findings_;
  std::vector<u64> calls_;                 ///< the numbers of those that are being made: a multicall and its entry
  bool continued_ = false;                 ///< the innermost ended with a continuation
  bool resumed_ = false;                   ///< the innermost goes on after one, and has begun no operation yet
  bool judged_ = true;                     ///< the operation was not preempted
  std::map<place, u64> before_{};          ///< what the operation has changed: what was there
  std::unordered_set<u64> descriptors_{};  ///< frames that the operation has made descriptor pages
  std::map<std::pair<domid_t, vcpu_id_t>, possible_tlb> tlbs_;
  std::unordered_set<u64> walked_;  ///< mfn and level of the tables that were read for this vCPU
};

}  // namespace pvmmu::xen
