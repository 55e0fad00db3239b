#pragma once
// Xen, booted: QEMU with its RAM where we can see it, its serial port, and its monitor. It ends with this object.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/lab/console.h"
#include "tools/lab/gdb_client.h"
#include "tools/lab/process.h"
#include "tools/lab/qmp.h"
#include "tools/lab/shared_memory.h"

namespace pvmmu::lab {

/// A file that Xen finds in memory, and what it is told (its command line).
struct boot_module {
  std::filesystem::path file;
  std::string arguments;
};

struct boot_options {
  std::filesystem::path xen;
  std::vector<boot_module> modules;  ///< dom0's kernel, what dom0 finds at mod_start, and whatever else Xen looks for
  u64 megabytes = 1024;              ///< below 3072, so that a machine address is an offset into ram()
  u64 dom0_megabytes = 640;
  u32 processors = 1;  ///< that Xen starts
  u32 dom0_vcpus = 1;
  std::string xen_arguments = {};   ///< more than every lab's Xen gets
  bool gdb = false;                 ///< with gdb(): then the machine stands still until gdb().cont()
  std::string plugin = {};          ///< QEMU's -plugin, "file=…,name=value"; none if empty
  std::vector<int> inherited = {};  ///< descriptors that QEMU gets, under the same numbers
};

class machine_in_qemu : public console {
 public:
  /// Turns it on. Throws lab_input_error for a module that cannot be read, lab_error if QEMU does not start.
  machine_in_qemu(const boot_options& options, shared_memory& ram);

  // The serial port.
  std::optional<std::string> next_line(const deadline& until) override { return serial_lines_.next(until); }
  void type(const std::string& line) override;
  bool ended() const override { return serial_lines_.ended(); }
  std::string complaints() override;

  qmp& monitor() { return *monitor_; }
  /// If the options ask for it.
  gdb_client& gdb() { return *gdb_; }

 private:
  unique_fd complaints_;
  unique_fd serial_;
  line_reader serial_lines_{-1};
  std::optional<process> qemu_;
  std::optional<qmp> monitor_;
  std::optional<gdb_client> gdb_;
};

}  // namespace pvmmu::lab
