#pragma once
// A program's call as the model takes it: the names have become numbers of one run, and the lists lie somewhere.
//
//   abi_call call{program_call, names};
//   long result = xen::do_hypercall(m, vcpu, call.get());
//   lab::answer a = call.answer(result);

#include <array>
#include <deque>
#include <span>
#include <vector>

#include "proto/abi/hypercall.h"
#include "tools/lab/program.h"

namespace pvmmu::conform {

/// What the words of a program mean in one run of it.
struct names {
  const lab::placement& where;
  std::span<const pte_t, entries_per_table> l4;  ///< what the probe's own L4 held before the first program
  const std::vector<lab::answer>& earlier;       ///< of the program's calls so far

  /// The word's number. A name that has no frame (yet) is frame INVALID_MFN, as for the probe.
  u64 operator()(const lab::word& w) const;
};

class abi_call {
 public:
  /// `c` is a hypercall, no memory access.
  abi_call(const lab::call& c, const names& number);
  abi_call(const abi_call&) = delete;
  abi_call& operator=(const abi_call&) = delete;

  hypercall& get() { return call_; }
  /// What the guest finds after the call.
  lab::answer answer(s64 result) const;

 private:
  hypercall convert(const lab::mmu_update& c);
  hypercall convert(const lab::mmuext_op& c);
  hypercall convert(const lab::update_va_mapping& c);
  hypercall convert(const lab::set_gdt& c);
  hypercall convert(const lab::update_descriptor& c);
  hypercall convert(const lab::vm_assist& c);
  hypercall convert(const lab::map_grant_ref& c);
  hypercall convert(const lab::unmap_grant_ref& c);
  hypercall convert(const lab::memory_op& c);
  hypercall convert(const lab::iret& c);
  hypercall convert(const lab::vcpu_op& c);
  hypercall convert(const lab::raw_call& c);
  hypercall convert(const lab::multicall& c);
  hypercall convert(const lab::memory_access& c);

  extent_list extents_of(const lab::extent_words& words);
  xen_memory_reservation reservation(const lab::memory_reservation& r);

  const names& number_;
  std::deque<std::vector<mmu_update_t>> ureqs_;
  std::deque<std::vector<mmuext_op_t>> uops_;
  std::deque<std::vector<u64>> frame_lists_;
  std::deque<std::vector<gnttab_map_grant_ref_t>> maps_;
  std::deque<std::vector<gnttab_unmap_grant_ref_t>> unmaps_;
  std::vector<multicall_entry> entries_;
  hypercall call_;
};

}  // namespace pvmmu::conform
