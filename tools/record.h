#pragma once
// `pvmmu record`: boots a Linux as dom0 on the real Xen, hands its /init a line to run, and records every MMU call that
// the machine makes meanwhile, with the machine's state before and after.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu::tools {

struct record_options {
  std::string kernel;  ///< a file, or a series of Debian's: "6.1"
  std::string initrd;
  std::vector<std::string> modules;
  u32 vcpus = 1;
  std::string run;  ///< a line for /init
  std::string recording_path;
  u64 timeout_s = 300;  ///< for each of: the boot, the line, the symbols
};

struct record_result {
  std::string kernel_release;
  int status = 0;  ///< the line's exit status
  u64 pieces = 0;
  u64 overlapping = 0;  ///< of them: entered before an earlier one was left
  u64 tables = 0;       ///< in the first snapshot
  u64 file_bytes = 0;
  u64 never_returned = 0;                   ///< calls that Xen never came back from; no pieces
  std::map<std::string, u64> not_recorded;  ///< calls that touch neither tables nor frames, by name
};

/// `say` gets lines of progress. Throws lab::lab_error with the console's last lines where the machine does not do what
/// it should, and std::runtime_error where the file cannot be written.
record_result record(const record_options& options, const std::function<void(const std::string&)>& say);

}  // namespace pvmmu::tools
