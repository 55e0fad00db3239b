#include "tools/report/journal.h"

#include <algorithm>

#include "tools/scenario_names.h"

namespace pvmmu::tools {

bool failed(const act& a) {
  if (!a.is_call() || a.crashed) return false;
  if (a.result < 0) return true;
  const auto* m = std::get_if<multicall_call>(&a.call->call());
  return m != nullptr && std::ranges::any_of(m->call_list, [](const multicall_entry& e) { return e.result < 0; });
}

std::string_view act_name(const act& a) {
  if (a.is_call()) return hypercall_name(a.call->call());
  return a.is_trap() ? emulated_write_name : std::string_view{};
}

}  // namespace pvmmu::tools
