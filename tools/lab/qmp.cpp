#include "tools/lab/qmp.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <utility>

#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

constexpr std::chrono::seconds patience{20};

void must(const std::expected<void, std::string>& done, const char* what) {
  if (!done) throw lab_error(fmt::format("QEMU refuses to {}: {}", what, done.error()));
}

}  // namespace

qmp::qmp(unique_fd socket) : socket_(std::move(socket)), lines_(socket_.get()) {
  const auto greeting = lines_.next(deadline{patience});
  if (!greeting || greeting->find("\"QMP\"") == std::string::npos)
    throw lab_error("QEMU does not answer on its monitor");
  must(execute("qmp_capabilities"), "talk");
}

void qmp::stop() { must(execute("stop"), "stop"); }
void qmp::cont() { must(execute("cont"), "go on"); }

std::expected<void, std::string> qmp::memsave(u64 va, u64 bytes, const std::string& file) {
  // JSON's numbers are signed 64-bit numbers for QEMU.
  return execute("memsave",
                 fmt::format(R"({{"val":{},"size":{},"filename":"{}"}})", static_cast<s64>(va), bytes, file));
}

std::expected<void, std::string> qmp::execute(const std::string& command, const std::string& arguments) {
  const std::string text = fmt::format("{{\"execute\":\"{}\",\"arguments\":{}}}\n", command, arguments);
  if (send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()))
    throw lab_error("QEMU is gone");
  const deadline until{patience};
  while (const auto line = lines_.next(until)) {
    if (line->starts_with("{\"return\"")) return {};
    if (line->starts_with("{\"error\"")) return std::unexpected(*line);
  }
  throw lab_error(fmt::format("QEMU does not answer to {}", command));
}

}  // namespace pvmmu::lab
