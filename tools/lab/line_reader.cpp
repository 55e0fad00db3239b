#include "tools/lab/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace pvmmu::lab {

std::optional<std::string> line_reader::next(const deadline& until) {
  while (true) {
    if (const auto end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      while (line.ends_with('\r')) line.pop_back();  // a terminal adds one, and Xen another
      return line;
    }
    pollfd ready{fd_, POLLIN, 0};
    const int count = poll(&ready, 1, until.left_ms());
    if (count == 0 || ended_) return std::nullopt;
    std::array<char, 4096> chunk{};
    const ssize_t got = count < 0 ? -1 : read(fd_, chunk.data(), chunk.size());
    if (got < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "reading from QEMU");
    if (got == 0) ended_ = true;
    if (got > 0) buffer_.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace pvmmu::lab
