#pragma once
// --audit each|end of `run` and `replay`: the invariants behind each step, or behind the last.

#include <boost/json/value.hpp>
#include <optional>
#include <string>

#include "tools/command.h"
#include "tools/why/audit_steps.h"

namespace pvmmu::tools {

struct audit_option {
  std::optional<audit_when> when{};

  void add_to(CLI::App& command);
  /// Audits a recording and leaves ctx.status. What there is to say is for stdout: as text, or as a JSON value.
  boost::json::value audit(const std::string& path, context& ctx) const;
};

}  // namespace pvmmu::tools
