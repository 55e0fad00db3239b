#pragma once
// The built command, as a user calls it: exit status, stdout and stderr.
//
//   const ended e = pvmmu("run examples/pmd-move.textproto --json", "2>/dev/null");

#include <string>

namespace pvmmu::tools {

struct ended {
  int status = -1;  ///< the exit status; -1: it was killed
  std::string out;
};

/// Runs `pvmmu ARGUMENTS` through the shell; stderr goes to stdout or nowhere.
ended pvmmu(const std::string& arguments, const std::string& talk = "2>&1");

}  // namespace pvmmu::tools
