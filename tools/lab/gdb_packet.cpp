#include "tools/lab/gdb_packet.h"

#include <fmt/format.h>

#include <charconv>

#include "proto/abi/types.h"
#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

/// Of one packet, before and after its runs are written out. QEMU's are of 4 KiB.
constexpr std::size_t longest_packet = 64 << 10;
constexpr char escape = '}';
constexpr char escape_bit = 0x20;
/// What a run's length is added to, so that it can be printed.
constexpr int run_base = 29;

u8 checksum(std::string_view bytes) {
  unsigned sum = 0;
  for (const char c : bytes) sum += static_cast<u8>(c);
  return static_cast<u8>(sum);
}

bool sum_is(std::string_view digits, u8 sum) {
  u8 said = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), said, 16);
  return error == std::errc{} && end == digits.data() + digits.size() && said == sum;
}

/// A packet's payload; nothing if it is none.
std::optional<std::string> decoded(std::string_view raw) {
  std::string payload;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '$') return std::nullopt;  // Another packet begins: this one was torn off.
    const bool two_bytes = raw[i] == escape || raw[i] == '*';
    if (two_bytes && i + 1 == raw.size()) return std::nullopt;
    if (raw[i] == escape) {
      payload += static_cast<char>(raw[++i] ^ escape_bit);
    } else if (raw[i] == '*') {
      const int length = raw[++i] - run_base;
      if (payload.empty() || length < 3) return std::nullopt;
      payload.append(static_cast<std::size_t>(length), payload.back());
    } else {
      payload += raw[i];
    }
    if (payload.size() > longest_packet) return std::nullopt;
  }
  return payload;
}

}  // namespace

std::string gdb_framed(std::string_view payload) {
  std::string raw;
  for (const char c : payload) {
    if (c == '#' || c == '$' || c == escape || c == '*') {
      raw += escape;
      raw += static_cast<char>(c ^ escape_bit);
    } else {
      raw += c;
    }
  }
  return fmt::format("${}#{:02x}", raw, checksum(raw));
}

std::optional<gdb_event> gdb_packet_reader::next() {
  using enum gdb_event::what;
  bytes_.erase(0, bytes_.find_first_of("+-$"));
  if (bytes_.empty()) return std::nullopt;
  if (bytes_[0] != '$') {
    gdb_event event{.kind = bytes_[0] == '+' ? ack : nak};
    bytes_.erase(0, 1);
    return event;
  }
  const std::size_t hash = bytes_.find('#');
  if (hash == std::string::npos || bytes_.size() < hash + 3) {
    if (bytes_.size() > longest_packet) throw lab_error("the gdb stub sends a packet without an end");
    return std::nullopt;
  }
  const std::string_view raw = std::string_view{bytes_}.substr(1, hash - 1);
  const bool whole = sum_is(std::string_view{bytes_}.substr(hash + 1, 2), checksum(raw));
  std::optional<std::string> payload = whole ? decoded(raw) : std::nullopt;
  bytes_.erase(0, hash + 3);
  if (!payload) return gdb_event{.kind = damaged};
  return gdb_event{.kind = packet, .payload = std::move(*payload)};
}

}  // namespace pvmmu::lab
