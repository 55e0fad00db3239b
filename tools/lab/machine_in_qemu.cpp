#include "tools/lab/machine_in_qemu.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

/// Two ends of a socket: ours, and the one that QEMU inherits.
struct socket_pair {
  unique_fd ours;
  unique_fd qemus;
};

socket_pair make_socket_pair(const char* what) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw lab_error(fmt::format("no socket for QEMU's {}", what));
  return {unique_fd{ends[0]}, unique_fd{ends[1]}};
}

/// -S: it begins as the stub finds it, before its first instruction.
std::vector<std::string> gdb_arguments(int gdb) {
  return {"-chardev", fmt::format("socket,id=gdb,fd={}", gdb), "-gdb", "chardev:gdb", "-S"};
}

std::vector<std::string> qemu_command(const boot_options& o, const shared_memory& ram, int monitor) {
  // Nehalem: a processor as Xen knows it, with NX and without what QEMU only pretends to have. The second one is never
  // started (maxcpus=1), but because of it QEMU makes the faults of locked instructions write faults, as they are.
  // xpti=no: page-table isolation changes no answer and no count, but makes each call take twice as long. Messages
  // about guests (guest_loglvl) would take longer than the calls that cause them.
  return {"qemu-system-x86_64",
          "-nodefaults",
          "-no-user-config",
          "-display",
          "none",
          "-no-reboot",
          "-nic",
          "none",
          "-accel",
          "tcg,thread=multi",
          "-smp",
          "2",
          "-cpu",
          "Nehalem",
          "-m",
          fmt::format("{}M", o.megabytes),
          "-object",
          fmt::format("memory-backend-file,id=ram,size={}M,mem-path={},share=on", o.megabytes, ram.path()),
          "-machine",
          "pc,memory-backend=ram",
          "-chardev",
          "stdio,id=serial,signal=off",
          "-serial",
          "chardev:serial",
          "-chardev",
          fmt::format("socket,id=monitor,fd={}", monitor),
          "-mon",
          "chardev=monitor,mode=control",
          "-kernel",
          o.xen.string(),
          "-initrd",
          fmt::format("{},{}", o.guest.string(), o.module),
          "-append",
          fmt::format("console=com1 com1=115200,8n1 loglvl=all guest_loglvl=none dom0=pv dom0_mem={}M "
                      "dom0_max_vcpus=2 maxcpus=1 xpti=no noreboot",
                      o.dom0_megabytes)};
}

}  // namespace

machine_in_qemu::machine_in_qemu(const boot_options& options, shared_memory& ram)
    : complaints_(checked_fd(memfd_create("qemu-complaints", MFD_CLOEXEC), "memfd_create")) {
  for (const auto& file : {options.xen, options.guest})
    if (!std::filesystem::exists(file)) throw lab_error(fmt::format("{}: no such file", file.string()));
  std::array<int, 2> pipe_ends{};
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) throw lab_error("no pipe for the serial port");
  serial_end_ = unique_fd{pipe_ends[0]};
  unique_fd qemus_serial{pipe_ends[1]};
  socket_pair monitor = make_socket_pair("monitor");
  socket_pair gdb = make_socket_pair("gdb stub");
  serial_ = line_reader{serial_end_.get()};
  std::vector<std::string> command = qemu_command(options, ram, monitor.qemus.get());
  std::vector<int> inherited{monitor.qemus.get()};
  if (options.gdb) {
    std::ranges::copy(gdb_arguments(gdb.qemus.get()), std::back_inserter(command));
    inherited.push_back(gdb.qemus.get());
  }
  qemu_.emplace(command, qemus_serial.get(), complaints_.get(), inherited);
  qemus_serial.reset();  // QEMU alone has them now, so that its end is seen
  monitor.qemus.reset();
  gdb.qemus.reset();
  try {
    monitor_.emplace(std::move(monitor.ours));
    if (options.gdb) gdb_.emplace(std::move(gdb.ours));
  } catch (const lab_error& e) {
    throw lab_error(fmt::format("{}\n{}", e.what(), complaints()));
  }
}

std::optional<std::string> machine_in_qemu::next_line(const deadline& until) { return serial_.next(until); }

std::string machine_in_qemu::complaints() {
  std::string text(4096, '\0');
  const ssize_t got = pread(complaints_.get(), text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

}  // namespace pvmmu::lab
