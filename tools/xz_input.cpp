#include "tools/xz_input.h"

#include <fmt/format.h>
#include <lzma.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "tools/command.h"

namespace pvmmu::tools {
namespace {

constexpr u64 xz_memory_limit = u64{1} << 28;  // bytes; xz -9 needs 65 MiB
constexpr std::size_t max_line_bytes = std::size_t{1} << 20;
constexpr std::size_t block_bytes = std::size_t{1} << 16;

}  // namespace

struct xz_input::decoder {
  std::ifstream file;
  bool compressed = false;
  bool ended = false;
  std::array<u8, block_bytes> block;
  lzma_stream stream = LZMA_STREAM_INIT;

  ~decoder() { lzma_end(&stream); }
};

xz_input::xz_input(const std::string& path) : path_(path), decoder_(std::make_unique<decoder>()) {
  decoder_->file.open(path_, std::ios::binary);
  if (decoder_->file) return;
  path_ += ".xz";
  decoder_->file.open(path_, std::ios::binary);
  if (!decoder_->file)
    throw input_error(fmt::format("neither {} nor {} can be read: {}", path, path_, std::strerror(errno)));
  decoder_->compressed = true;
  if (lzma_stream_decoder(&decoder_->stream, xz_memory_limit, LZMA_CONCATENATED) != LZMA_OK) throw std::bad_alloc();
}

xz_input::~xz_input() = default;

std::size_t xz_input::read_some(std::span<u8> room) {
  decoder& d = *decoder_;
  if (!d.compressed) {
    d.file.read(reinterpret_cast<char*>(room.data()), static_cast<std::streamsize>(room.size()));
    return static_cast<std::size_t>(d.file.gcount());
  }
  d.stream.next_out = room.data();
  d.stream.avail_out = room.size();
  while (!d.ended && d.stream.avail_out == room.size()) {
    if (d.stream.avail_in == 0) {
      d.file.read(reinterpret_cast<char*>(d.block.data()), block_bytes);
      d.stream.next_in = d.block.data();
      d.stream.avail_in = static_cast<std::size_t>(d.file.gcount());
    }
    const lzma_ret ret = lzma_code(&d.stream, d.stream.avail_in == 0 ? LZMA_FINISH : LZMA_RUN);
    d.ended = ret == LZMA_STREAM_END;
    if (ret != LZMA_OK && !d.ended) {
      throw input_error(fmt::format("{}: damaged or no xz file: behind byte {} of its contents nothing can be read",
                                    path_, d.stream.total_out));
    }
  }
  return room.size() - d.stream.avail_out;
}

std::size_t xz_input::read(std::span<u8> room) {
  std::size_t done = 0;
  while (done < room.size()) {
    const std::size_t some = read_some(room.subspan(done));
    if (some == 0) break;
    done += some;
  }
  return done;
}

bool xz_input::read_line(std::string& line) {
  line.clear();
  for (;;) {
    const std::size_t end = buffer_.find('\n', buffer_next_);
    line.append(buffer_, buffer_next_, end - buffer_next_);
    if (line.size() > max_line_bytes)
      throw input_error(fmt::format("{}: a line is longer than {} bytes", path_, max_line_bytes));
    if (end != std::string::npos) {
      buffer_next_ = end + 1;
      return true;
    }
    buffer_.resize(block_bytes);
    buffer_.resize(read_some({reinterpret_cast<u8*>(buffer_.data()), block_bytes}));
    buffer_next_ = 0;
    if (buffer_.empty()) return !line.empty();
  }
}

}  // namespace pvmmu::tools
