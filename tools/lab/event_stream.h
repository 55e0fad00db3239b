#pragma once
// The plugin's events, one by one, as it wrote them (plugin/stream.h).
//
//   event_stream events{hearing.heard()};
//   while (auto event = events.next())
//     if (auto* entry = std::get_if<heard_entry>(&*event)) use(entry->args[0], entry->memory);

#include <cstring>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "proto/abi/types.h"
#include "tools/lab/plugin/stream.h"

namespace pvmmu::lab {

/// What was seen of the guest's memory at one moment.
class heard_memory {
 public:
  void add(u64 va, std::span<const u8> bytes) { parts_.push_back({va, bytes}); }
  /// As many of the bytes from va on as were seen, at most `most`.
  std::span<const u8> bytes(u64 va, u64 most) const;
  /// Nothing: it could not be read.
  template <class T>
  std::optional<T> get(u64 va) const {
    T value{};
    const auto seen = bytes(va, sizeof value);
    if (seen.size() != sizeof value) return std::nullopt;
    std::memcpy(&value, seen.data(), sizeof value);
    return value;
  }
  /// The entries of a list that could be read.
  template <class T>
  std::vector<T> list(u64 va, u64 count) const {
    const auto seen = bytes(va, count * sizeof(T));
    std::vector<T> entries(seen.size() / sizeof(T));
    if (!entries.empty()) std::memcpy(entries.data(), seen.data(), entries.size() * sizeof(T));
    return entries;
  }

 private:
  struct part {
    u64 va;
    std::span<const u8> bytes;
  };
  std::vector<part> parts_;
};

struct heard_entry {
  heard::event_head head;
  std::array<u64, 6> args;
  u64 guest_rip;
  u64 guest_rsp;
  heard_memory memory;  ///< at depth 0 also the guest's stack
};

struct heard_exit {
  heard::event_head head;
  u64 result;
  u64 guest_rsi;
  heard_memory memory;
};

struct heard_table {
  heard::event_head head;
  u64 mfn;
  std::array<u64, 512> words;
};

using heard_event = std::variant<heard_entry, heard_exit, heard_table>;

class event_stream {
 public:
  explicit event_stream(std::span<const u8> bytes) : rest_(bytes), all_(bytes.size()) {}

  /// Nothing at the end. What it returns points into the bytes. Throws lab_error for a stream that ends within an
  /// event, or that no plugin wrote.
  std::optional<heard_event> next();

 private:
  template <class Event>
  Event take(std::span<const u8>& event) const;
  heard_memory take_memory(std::span<const u8> parts, unsigned count) const;
  [[noreturn]] void fail(const char* what) const;

  std::span<const u8> rest_;
  u64 all_;
};

}  // namespace pvmmu::lab
