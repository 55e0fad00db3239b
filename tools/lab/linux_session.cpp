#include "tools/lab/linux_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <sstream>
#include <string_view>

#include "tools/lab/lab_error.h"
#include "tools/lab/packed_text.h"

namespace pvmmu::lab {
namespace {

boot_options options_of(const linux_boot& boot, const xen_package& xen) {
  // Address spaces are the same in every run, and no huge page comes by itself: Xen's PV guests have none.
  const std::string arguments = "console=hvc0 norandmaps transparent_hugepage=never quiet " + boot.arguments;
  boot_options options{.xen = xen.image,
                       .modules = {{boot.kernel, arguments}, {boot.initrd, ""}},
                       .megabytes = boot.megabytes,
                       .dom0_megabytes = boot.dom0_megabytes,
                       .processors = boot.vcpus,
                       .dom0_vcpus = boot.vcpus,
                       .xen_arguments = "serial_tx_buffer=4M",  // Xen drops what it has no room for
                       .plugin = boot.plugin,
                       .inherited = boot.inherited};
  for (const std::filesystem::path& module : boot.modules) options.modules.push_back({module, ""});
  return options;
}

}  // namespace

linux_session::linux_session(const linux_boot& boot, const xen_package& xen, shared_memory& ram)
    : machine_(options_of(boot, xen), ram) {}

void linux_session::wait_until_up(std::chrono::seconds limit) { console_.wait_for("INIT UP", limit); }

void linux_session::run(const std::string& line) {
  // Xen keeps 128 characters, and drops what comes until dom0 has read them (xen 4.17 console.c SERIAL_RX_SIZE).
  constexpr std::size_t longest = 127;
  if (line.size() > longest || line.find_first_of("\n\r") != std::string::npos)
    throw lab_input_error(fmt::format(
        "one line of at most {} bytes is expected, to be run by /init; what is longer can be a script in the initrd",
        longest));
  said_before_ = console().size() + 1;  // with the line itself: a terminal echoes it
  machine_.type(line);
}

std::optional<int> linux_session::wait_until_done(std::chrono::seconds limit) {
  const std::string answer = console_.wait_for("WORK DONE", limit);
  constexpr std::string_view label = "WORK DONE, status ";
  int status = 0;
  if (!answer.starts_with(label) ||
      std::from_chars(answer.data() + label.size(), answer.data() + answer.size(), status).ec != std::errc{})
    return std::nullopt;
  return status;
}

std::vector<std::string> linux_session::output() const {
  const auto said = std::span(console()).subspan(std::min(said_before_, console().size()));
  const auto end = std::ranges::find_if(said, [](const auto& line) { return line.find("WORK DONE") != line.npos; });
  return {said.begin(), end};
}

std::vector<std::string> linux_session::read_kallsyms(std::chrono::seconds limit) {
  machine_.type("kallsyms");
  constexpr std::chrono::seconds to_begin{30};  // An /init that does not know how would let us wait for all of it.
  console_.wait_for("KALLSYMS BEGIN", std::min(limit, to_begin));
  std::istringstream text{unpack_text(console_.read_until("KALLSYMS END", limit))};
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

}  // namespace pvmmu::lab
