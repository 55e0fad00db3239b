#include "tools/lab/plugin/event_buffer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pvmmu::lab::plugin {
namespace {

constexpr std::uint64_t page_bytes = 4096;

constexpr std::size_t padded(std::size_t bytes) { return (bytes + 7) & ~std::size_t{7}; }

}  // namespace

void event_buffer::append(const void* from, std::size_t bytes) {
  std::memcpy(bytes_.data() + used_, from, bytes);
  used_ += bytes;
}

void event_buffer::add_memory(const processor& cpu, std::uint64_t va, std::uint64_t bytes) {
  if (capacity - used_ < sizeof(heard::part) + page_bytes) return;
  heard::part& p = *new (bytes_.data() + used_) heard::part{.va = va, .bytes = 0, .asked = 0};
  p.asked = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, ~std::uint32_t{0}));
  used_ += sizeof p;
  const std::uint64_t most = std::min<std::uint64_t>(p.asked, (capacity - used_) & ~std::uint64_t{7});
  while (p.bytes < most) {
    const std::uint64_t at = va + p.bytes;
    const std::uint64_t step = std::min<std::uint64_t>(most - p.bytes, page_bytes - at % page_bytes);
    if (!cpu.read(at, bytes_.data() + used_ + p.bytes, step)) break;
    p.bytes += static_cast<std::uint32_t>(step);
  }
  const std::size_t end = used_ + padded(p.bytes);
  std::fill(bytes_.data() + used_ + p.bytes, bytes_.data() + end, std::uint8_t{0});
  used_ = end;
  ++head().nr_parts;
}

void event_buffer::copy(std::uint64_t va, void* to, std::size_t bytes) const {
  const auto& first = *reinterpret_cast<const heard::event_head*>(bytes_.data());
  std::size_t at = first.kind == heard::event_kind::entry ? sizeof(heard::entry_event) : sizeof(heard::exit_event);
  for (unsigned i = 0; i < first.nr_parts; ++i) {
    heard::part p;
    std::memcpy(&p, bytes_.data() + at, sizeof p);
    at += sizeof p;
    if (va >= p.va && va - p.va <= p.bytes && p.bytes - (va - p.va) >= bytes) {
      std::memcpy(to, bytes_.data() + at + (va - p.va), bytes);
      return;
    }
    at += padded(p.bytes);
  }
}

bool event_buffer::write_to(int fd) {
  head().bytes = static_cast<std::uint32_t>(used_);
  for (std::size_t written = 0; written < used_;) {
    const ssize_t got = write(fd, bytes_.data() + written, used_ - written);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    written += static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace pvmmu::lab::plugin
