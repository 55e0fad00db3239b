#pragma once
// Holds the calls of the model's kernel against a real kernel's.
//
//   comparison c = compare(real, scenario, {.profile = find_kernel_profile("6.1")});
//   fmt::print("{}", c.verdict());       // "1234 calls compared, 0 differ"

#include <optional>

#include "guest-pv/kernel_profile.h"
#include "tools/compare/describe.h"
#include "tools/scenario.h"

namespace pvmmu::compare {

struct comparison {
  described_stream real;
  described_stream model;
  /// Of a recording with a mark: how the model's process begins otherwise than the real one; empty: alike.
  std::string begins_otherwise;
  /// The index of the first call that is not alike in both, or that one of them does not have.
  std::optional<std::size_t> first_difference;
  u64 entries_validated = 0;  ///< by Xen, on the model's calls
  u64 differ = 0;             ///< calls of either that have no counterpart in the other, in its place
  u32 nr_cpus = 0;  ///< that the model's kernel had: below 4 where the recording shows no split page-table locks
  std::string profile;

  bool alike() const { return !first_difference && begins_otherwise.empty(); }
  std::string verdict() const;
};

/// Throws `tools::input_error` for a recording in which the workload is not to be found.
comparison compare(const call_stream& recording, const tools::scenario_file& scenario,
                   const guest::kernel_profile& profile);

/// The profile of a kernel's release, "6.1.0-56-amd64"; nullptr where none stands for it.
const guest::kernel_profile* profile_of(std::string_view kernel_release);

}  // namespace pvmmu::compare
