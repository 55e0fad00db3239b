#pragma once
// A Linux that boots as dom0 on the real Xen, runs a line at its console, and says when it is done. Between these
// moments the machine is the caller's: to be stopped, looked at, and continued.
//
//   linux_session session{{.kernel = find_linux("6.1").file, .initrd = file}, fetch_xen(), ram};
//   session.wait_until_up(120s);                       // INIT UP: /init waits for a line
//   session.machine().monitor().stop(); …; cont();
//   session.run("workload touch");
//   session.wait_until_done(60s);                      // WORK DONE: /init waits for the next line
//   kernel_symbols symbols{session.read_kallsyms(120s)};
//
// Whatever goes wrong is a lab_error with the console's last lines (linux_console.h); QEMU ends with this object. What
// /init has to do: initrd.h.

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/lab/linux_console.h"
#include "tools/lab/machine_in_qemu.h"
#include "tools/lab/packages.h"

namespace pvmmu::lab {

struct linux_boot {
  std::filesystem::path kernel;
  std::filesystem::path initrd;
  std::vector<std::filesystem::path> modules = {};  ///< more that Xen finds; dom0 does not see them
  std::string arguments = {};                       ///< for the kernel, after those that every session has
  u32 vcpus = 1;
  u64 megabytes = 1024;  ///< as in boot_options, as what follows
  u64 dom0_megabytes = 384;
  std::string plugin = {};
  std::vector<int> inherited = {};
};

class linux_session {
 public:
  /// Turns the machine on. Throws lab_error, as all that follow.
  linux_session(const linux_boot& boot, const xen_package& xen, shared_memory& ram);

  void wait_until_up(std::chrono::seconds limit);
  /// Hands /init a line; returns at once. Throws lab_input_error for a line that the console does not take whole.
  void run(const std::string& line);
  /// The line's exit status, if /init says it.
  std::optional<int> wait_until_done(std::chrono::seconds limit);
  /// What was said between the two.
  std::vector<std::string> output() const;
  /// Lines of /proc/kallsyms: "address type name", with "[module]" behind a module's. Only an /init of initrd.h knows
  /// how.
  std::vector<std::string> read_kallsyms(std::chrono::seconds limit);

  machine_in_qemu& machine() { return machine_; }
  /// What Xen and the guest have said.
  const std::vector<std::string>& console() const { return console_.lines(); }

 private:
  machine_in_qemu machine_;
  linux_console console_{machine_};
  std::size_t said_before_ = 0;  ///< lines before the one that was handed over
};

}  // namespace pvmmu::lab
