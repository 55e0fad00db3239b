#pragma once
// How runs end: what frames are tables then, with which counts and pins, and how many frames have which type.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tools/diff/frame_roles.h"

namespace pvmmu::tools {

struct end_state {
  std::map<std::string, std::multiset<std::string>> tables;  ///< by role: "type count 2, count 4, pinned"
  std::map<std::string, u64> frames;                         ///< "writable frames": how many are in use as such
};

/// `roles` followed all steps of the machine.
end_state end_state_of(const xen::machine& m, const frame_roles& roles);

/// What is not the same in both; what is in neither is in none of them.
struct end_difference {
  std::string what;
  std::string a;  ///< empty: there is none
  std::string b;
};
std::vector<end_difference> differences(const end_state& a, const end_state& b);

}  // namespace pvmmu::tools
