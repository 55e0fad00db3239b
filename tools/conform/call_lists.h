#pragma once
// The lists of a call, whose entries can be left out; what counts them goes with them.
//
//   std::vector<bool> stays(nr_entries(call), true);
//   stays[1] = false;
//   left_out gone = leave_out(call, stays);        // call.count is one less

#include <vector>

#include "tools/lab/program.h"

namespace pvmmu::conform {

/// What is no longer where it was, by the numbers from before; in order.
struct left_out {
  std::vector<u32> reported{};  ///< words of the call's answer
  std::vector<u32> adopted{};   ///< frames that a memory_op names, counted from its `adopt_first`
};

std::size_t nr_entries(const lab::mmu_update& c);
std::size_t nr_entries(const lab::mmuext_op& c);
std::size_t nr_entries(const lab::map_grant_ref& c);
std::size_t nr_entries(const lab::unmap_grant_ref& c);
/// Extents; of an exchange as many of both lists as are exchanged for each other.
std::size_t nr_entries(const lab::memory_op& c);
template <class Other>
std::size_t nr_entries(const Other&) {
  return 0;
}

/// Frames that can get names by it, from `adopt_first` on.
std::size_t nr_adoptable(const lab::memory_op& c);

left_out leave_out(lab::mmu_update& c, const std::vector<bool>& stays);
left_out leave_out(lab::mmuext_op& c, const std::vector<bool>& stays);
left_out leave_out(lab::map_grant_ref& c, const std::vector<bool>& stays);
left_out leave_out(lab::unmap_grant_ref& c, const std::vector<bool>& stays);
left_out leave_out(lab::memory_op& c, const std::vector<bool>& stays);
template <class Other>
left_out leave_out(Other&, const std::vector<bool>&) {
  return {};
}

}  // namespace pvmmu::conform
