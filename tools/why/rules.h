#pragma once
// Why Xen refuses: the rule behind each place in its source at which it does, in words, and what it would have
// accepted.

#include <string>
#include <string_view>

#include "hypervisor-model/machine/machine.h"

namespace pvmmu::tools {

struct refusal_rule {
  std::string_view file;  ///< as a message_site has it
  unsigned line = 0;
  std::string_view rule;
  std::string_view accepted;
};

/// nullptr: the place only says that something it had asked for was refused, and passes that on.
const refusal_rule* rule_at(const xen::message_site& site);
/// Whether `site` passes on what was refused elsewhere.
bool passes_on(const xen::message_site& site);
/// For what is refused without a word: what the error alone says.
refusal_rule rule_of_error(long result);

}  // namespace pvmmu::tools
