#pragma once
// A file descriptor that is closed when nobody has it any more.

#include <string>
#include <utility>

namespace pvmmu::lab {

class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  unique_fd(const unique_fd&) = delete;
  unique_fd& operator=(const unique_fd&) = delete;
  ~unique_fd();

  int get() const { return fd_; }
  /// Now rather than at the end.
  void reset();
  /// A file name for whoever inherits it.
  std::string path() const { return "/dev/fd/" + std::to_string(fd_); }

 private:
  int fd_ = -1;
};

/// Throws std::system_error named `what` unless fd is one.
unique_fd checked_fd(int fd, const char* what);

}  // namespace pvmmu::lab
