#pragma once
// Xen, booted: QEMU with its RAM where we can see it, its serial port, and its monitor. It ends with this object.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/lab/gdb_client.h"
#include "tools/lab/process.h"
#include "tools/lab/qmp.h"
#include "tools/lab/shared_memory.h"

namespace pvmmu::lab {

struct boot_options {
  std::filesystem::path xen;
  std::filesystem::path guest;  ///< dom0's kernel
  std::string module;           ///< a file that dom0 finds at mod_start
  u64 megabytes = 1024;         ///< below 3072, so that a machine address is an offset into ram()
  u64 dom0_megabytes = 640;
  bool gdb = false;  ///< with gdb(): then the machine stands still until gdb().cont()
};

class machine_in_qemu {
 public:
  /// Turns it on. Throws lab_error.
  machine_in_qemu(const boot_options& options, shared_memory& ram);

  /// The next line of the serial port; nothing when time is over or QEMU has ended.
  std::optional<std::string> next_line(const deadline& until);
  bool ended() const { return serial_.ended(); }
  /// What QEMU itself complained about.
  std::string complaints();

  qmp& monitor() { return *monitor_; }
  /// If the options ask for it.
  gdb_client& gdb() { return *gdb_; }

 private:
  unique_fd complaints_;
  unique_fd serial_end_;
  line_reader serial_{-1};
  std::optional<process> qemu_;
  std::optional<qmp> monitor_;
  std::optional<gdb_client> gdb_;
};

}  // namespace pvmmu::lab
