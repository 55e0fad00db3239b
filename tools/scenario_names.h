#pragma once
// The names that scenarios use for numbers and calls, with the lists of them for "expected one of …".

#include <optional>
#include <string>
#include <string_view>

#include "proto/abi/types.h"

namespace pvmmu::tools {

/// -22 for "-EINVAL"; nothing for a name that Xen's MMU never returns. "SIGSEGV" is no error of a call: see below.
std::optional<long> error_number(std::string_view name);
/// "-EPERM, -ENOENT, …"
std::string all_error_names();
/// Where a process dies of its access instead of an errno.
inline constexpr std::string_view sigsegv = "SIGSEGV";

/// A name that reports give to what a guest does: hypercalls, and stores that Xen emulates.
bool is_call_name(std::string_view name);
std::string all_call_names();
inline constexpr std::string_view emulated_write_name = "emulated_pte_write";

/// A call name and how often in a row it is expected: "mmu_update", or "mmu_update x17".
struct repeated_name {
  std::string name;
  u64 times = 1;
};
std::optional<repeated_name> parse_repeated_name(std::string_view text);

/// The frames that a domain without a kernel finds by name ("window_l1"): their number in a conformance program
/// (probe::frame_name), and back. Nothing for others.
std::optional<u32> given_frame(std::string_view name);
std::optional<std::string_view> given_frame_name(u32 number);

/// "4.17, 4.18, …"
std::string all_profile_names();

}  // namespace pvmmu::tools
