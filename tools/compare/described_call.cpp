#include "tools/compare/described_call.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace pvmmu::compare {
namespace {

std::string text_of(const described_entry& e) {
  const std::string text = fmt::format("{} {}", e.name, fmt::join(e.operations, ", "));
  return e.result == 0 ? text : fmt::format("{} = {}", text, e.result);
}

}  // namespace

std::string described_call::text() const {
  std::string text = caller.empty() ? "" : caller + ": ";
  if (vcpu != 0) text = fmt::format("vCPU {} {}", vcpu, text);
  if (!multicall) {
    text += entries.empty() ? "nothing" : text_of(entries.front());
  } else {
    text += "multicall";
    for (const described_entry& e : entries) text += "\n    " + text_of(e);
  }
  return text;
}

}  // namespace pvmmu::compare
