#pragma once
// A file's bytes in order, plain or compressed by xz:
//
//   xz_input in("l61-fork.jsonl");          // that file, or l61-fork.jsonl.xz where it is absent
//   std::string line;
//   while (in.read_line(line)) …

#include <memory>
#include <span>
#include <string>

#include "proto/abi/types.h"

namespace pvmmu::tools {

class xz_input {
 public:
  /// Throws `input_error` where neither file can be opened.
  explicit xz_input(const std::string& path);
  ~xz_input();
  xz_input(const xz_input&) = delete;
  xz_input& operator=(const xz_input&) = delete;

  /// The file that is read.
  const std::string& path() const { return path_; }

  /// Fills `room` as far as the file reaches; returns the bytes read. Throws `input_error` where the file is damaged.
  std::size_t read(std::span<u8> room);
  /// The next line without its end; false behind the last. Throws `input_error` for a line of more than 1 MiB.
  bool read_line(std::string& line);

 private:
  struct decoder;
  std::size_t read_some(std::span<u8> room);

  std::string path_;
  std::unique_ptr<decoder> decoder_;
  std::string buffer_;           ///< for lines
  std::size_t buffer_next_ = 0;  ///< first byte of it that was not returned
};

}  // namespace pvmmu::tools
