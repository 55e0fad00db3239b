#include "tools/lab/machine_in_qemu.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <span>

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

/// A module's name would end at its first blank for QEMU, so it gets an open file instead.
unique_fd open_module(const std::filesystem::path& file) {
  unique_fd opened{open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (opened.get() < 0)
    throw lab_input_error(fmt::format("{}: cannot be read: {}", file.string(), std::strerror(errno)));
  if (std::filesystem::is_directory(file))
    throw lab_input_error(fmt::format("{}: a folder is no module", file.string()));
  return opened;
}

/// "FILE ARGUMENTS,FILE": a comma that does not end a module is written twice.
std::string modules_argument(const boot_options& o, std::span<const unique_fd> files) {
  std::string all;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (i > 0) all += ',';
    all += files[i].path() + ' ';
    for (const char c : o.modules[i].arguments) all += c == ',' ? std::string{",,"} : std::string{c};
  }
  return all;
}

std::vector<std::string> qemu_command(const boot_options& o, const shared_memory& ram, int serial, int monitor,
                                      const std::string& modules) {
  // Nehalem: a processor as Xen knows it, with NX and without what QEMU only pretends to have. There are two at least,
  // of which Xen starts `processors` (maxcpus): with only one, QEMU would not make the faults of locked instructions
  // write faults, as they are. xpti=no: page-table isolation changes no answer and no count, but makes each call take
  // twice as long. Messages about guests (guest_loglvl) would take longer than the calls that cause them.
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
          fmt::format("{}", std::max(o.processors, u32{2})),
          "-cpu",
          "Nehalem",
          "-m",
          fmt::format("{}M", o.megabytes),
          "-object",
          fmt::format("memory-backend-file,id=ram,size={}M,mem-path={},share=on", o.megabytes, ram.path()),
          "-machine",
          "pc,memory-backend=ram",
          "-chardev",
          fmt::format("socket,id=serial,fd={}", serial),
          "-serial",
          "chardev:serial",
          "-chardev",
          fmt::format("socket,id=monitor,fd={}", monitor),
          "-mon",
          "chardev=monitor,mode=control",
          "-kernel",
          o.xen.string(),
          "-initrd",
          modules,
          "-append",
          fmt::format("console=com1 com1=115200,8n1 loglvl=all guest_loglvl=none dom0=pv dom0_mem={}M "
                      "dom0_max_vcpus={} maxcpus={} xpti=no noreboot {}",
                      o.dom0_megabytes, o.dom0_vcpus, o.processors, o.xen_arguments)};
}

}  // namespace

machine_in_qemu::machine_in_qemu(const boot_options& options, shared_memory& ram)
    : complaints_(checked_fd(memfd_create("qemu-complaints", MFD_CLOEXEC), "memfd_create")) {
  if (!std::filesystem::exists(options.xen)) throw lab_error(fmt::format("{}: no such file", options.xen.string()));
  std::vector<unique_fd> modules;
  modules.reserve(options.modules.size());
  for (const boot_module& module : options.modules) modules.push_back(open_module(module.file));
  socket_pair serial = make_socket_pair("serial port");
  socket_pair monitor = make_socket_pair("monitor");
  socket_pair gdb = make_socket_pair("gdb stub");
  std::vector<std::string> command =
      qemu_command(options, ram, serial.qemus.get(), monitor.qemus.get(), modules_argument(options, modules));
  std::vector<int> inherited = options.inherited;
  inherited.insert(inherited.end(), {serial.qemus.get(), monitor.qemus.get()});
  for (const unique_fd& module : modules) inherited.push_back(module.get());
  if (options.gdb) {
    std::ranges::copy(gdb_arguments(gdb.qemus.get()), std::back_inserter(command));
    inherited.push_back(gdb.qemus.get());
  }
  if (!options.plugin.empty()) command.insert(command.end(), {"-plugin", options.plugin});
  qemu_.emplace(command, complaints_.get(), complaints_.get(), inherited);
  serial_ = std::move(serial.ours);
  serial_lines_ = line_reader{serial_.get()};
  serial.qemus.reset();  // QEMU alone has them now, so that its end is seen
  monitor.qemus.reset();
  gdb.qemus.reset();
  try {
    monitor_.emplace(std::move(monitor.ours));
    if (options.gdb) gdb_.emplace(std::move(gdb.ours));
  } catch (const lab_error& e) {
    throw lab_error(fmt::format("{}\n{}", e.what(), complaints()));
  }
}

void machine_in_qemu::type(const std::string& line) {
  const std::string keys = line + '\n';
  if (send(serial_.get(), keys.data(), keys.size(), MSG_NOSIGNAL) != std::ssize(keys)) throw lab_error("QEMU is gone");
}

std::string machine_in_qemu::complaints() {
  std::string text(4096, '\0');
  const ssize_t got = pread(complaints_.get(), text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

}  // namespace pvmmu::lab
