#pragma once
// pvmmu serve: the hypervisor for guests in other processes.

#include <string>

#include "tools/command.h"

namespace pvmmu::tools {

struct serve_options {
  std::string unix_path;  ///< empty: no Unix socket
  std::string tcp;        ///< "[HOST:]PORT", empty: no TCP
  std::string record;     ///< the recording of the first machine; empty: none
};

/// Serves until SIGINT or SIGTERM. Says on stderr what it listens on.
void serve(const serve_options& options, const context& ctx);

}  // namespace pvmmu::tools
