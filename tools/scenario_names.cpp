#include "tools/scenario_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "guest-pv/kernel_profile.h"
#include "proto/abi/errno.h"
#include "tools/lab/program.h"

namespace pvmmu::tools {

namespace {

constexpr long largest_errno = 4095;

constexpr std::array<std::string_view, 11> call_names{
    "mmu_update", "mmuext_op", "update_va_mapping", "update_va_mapping_otherdomain",
    "multicall",  "set_gdt",   "update_descriptor", "vm_assist",
    "iret",       "vcpu_op",   emulated_write_name};

constexpr std::array<std::pair<std::string_view, u32>, 7> given_frames{{{"window_l1", probe::name_window_l1},
                                                                        {"window_l2", probe::name_window_l2},
                                                                        {"window_l3", probe::name_window_l3},
                                                                        {"probe_l4", probe::name_probe_l4},
                                                                        {"shared_info", probe::name_shared_info},
                                                                        {"grant_table", probe::name_grant_table},
                                                                        {"m2p", probe::name_m2p}}};

}  // namespace

std::optional<long> error_number(std::string_view name) {
  for (long result = -1; result >= -largest_errno; --result)
    if (!name.empty() && errno_name(result) == name) return result;
  return {};
}

std::string all_error_names() {
  std::string names;
  for (long result = -1; result >= -largest_errno; --result)
    if (!errno_name(result).empty()) names += fmt::format("{}{}", names.empty() ? "" : ", ", errno_name(result));
  return names;
}

bool is_call_name(std::string_view name) { return std::ranges::find(call_names, name) != call_names.end(); }

std::string all_call_names() { return fmt::format("{}", fmt::join(call_names, ", ")); }

std::optional<repeated_name> parse_repeated_name(std::string_view text) {
  const std::size_t space = text.find(" x");
  repeated_name parsed{std::string(text.substr(0, space)), 1};
  if (space != std::string_view::npos) {
    const std::string_view number = text.substr(space + 2);
    const auto [end, error] = std::from_chars(number.begin(), number.end(), parsed.times);
    if (error != std::errc{} || end != number.end() || parsed.times == 0) return {};
  }
  return is_call_name(parsed.name) ? std::optional(parsed) : std::nullopt;
}

std::optional<u32> given_frame(std::string_view name) {
  for (const auto& [known, number] : given_frames)
    if (known == name) return number;
  return {};
}

std::optional<std::string_view> given_frame_name(u32 number) {
  for (const auto& [name, known] : given_frames)
    if (known == number) return name;
  return {};
}

std::string all_profile_names() {
  std::string names;
  for (const auto& p : guest::kernel_profiles()) names += fmt::format("{}{}", names.empty() ? "" : ", ", p.name);
  return names;
}

}  // namespace pvmmu::tools
