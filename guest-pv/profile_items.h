#pragma once
// The fields of a kernel profile by name, so that one of them can be another than that kernel's: what would 5.14 have
// done with just this line of 5.15?
//
//   kernel_profile p = *find_kernel_profile("5.14");
//   auto done = set_item(p, "alloc_ptpage_checks_pinned=true");      // or why not, with what there is

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guest-pv/kernel_profile.h"

namespace pvmmu::guest {

struct profile_item {
  std::string_view name;
  std::string_view decides;                              ///< what it decides, for people
  std::span<const std::string_view> values;              ///< their names; none: a number of 1 or more
  std::string (*get)(const kernel_profile&);             ///< the value as `set` takes it
  bool (*set)(kernel_profile&, std::string_view value);  ///< false: no such value
};

/// All of them, in the order of the fields.
std::span<const profile_item> profile_items();

/// Sets one item, as NAME=VALUE says it; otherwise a text that says which names or values there are.
std::expected<void, std::string> set_item(kernel_profile& p, std::string_view assignment);

/// An item that two profiles do not share.
struct item_difference {
  std::string_view name;
  std::string here;
  std::string there;
};
std::vector<item_difference> different_items(const kernel_profile& here, const kernel_profile& there);

}  // namespace pvmmu::guest
