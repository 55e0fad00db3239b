#pragma once
// Streams of events as the plugin writes them, made by hand:
//
//   heard_stream stream;
//   stream.entry(handler::mmu_update, {list, 1, 0, DOMID_SELF}, {{list, bytes_of(update)}});
//   stream.exit(handler::mmu_update, 0);
//   event_stream events{stream.bytes()};

#include <cstring>
#include <span>
#include <vector>

#include "proto/abi/types.h"
#include "tools/lab/plugin/stream.h"

namespace pvmmu::lab {

struct memory_part {
  u64 va;
  std::vector<u8> bytes;
};

/// What lies in memory where these values are, one behind the other.
template <class... T>
std::vector<u8> bytes_of(const T&... values) {
  std::vector<u8> bytes;
  const auto add = [&](const auto& value) {
    const auto* first = reinterpret_cast<const u8*>(&value);
    bytes.insert(bytes.end(), first, first + sizeof value);
  };
  (add(values), ...);
  return bytes;
}

class heard_stream {
 public:
  /// Events that follow are of this vCPU; `depth` handlers are open there.
  heard_stream& on(u16 vcpu, u16 depth = 0) {
    vcpu_ = vcpu;
    depth_ = depth;
    return *this;
  }

  void entry(heard::handler handler, std::array<u64, 6> args, const std::vector<memory_part>& memory = {}) {
    add(heard::entry_event{.head = head(heard::event_kind::entry, handler), .args = args}, memory);
  }
  /// With a place in the guest's kernel and what is on its stack.
  void entry_at(u64 rip, u64 rsp, heard::handler handler, const std::vector<memory_part>& memory) {
    add(heard::entry_event{.head = head(heard::event_kind::entry, handler), .guest_rip = rip, .guest_rsp = rsp},
        memory);
  }
  void exit(heard::handler handler, s64 result, const std::vector<memory_part>& memory = {}, u64 guest_rsi = 0) {
    add(
        heard::exit_event{
            .head = head(heard::event_kind::exit, handler), .result = static_cast<u64>(result), .guest_rsi = guest_rsi},
        memory);
  }
  void table(u64 mfn, const std::array<u64, 512>& words) {
    add(heard::table_event{.head = head(heard::event_kind::table, {}), .mfn = mfn, .words = words}, {});
  }

  std::span<const u8> bytes() const { return bytes_; }

 private:
  heard::event_head head(heard::event_kind kind, heard::handler handler) const {
    return {.kind = kind, .vcpu = vcpu_, .depth = depth_, .handler = handler};
  }
  template <class Event>
  void add(Event event, const std::vector<memory_part>& memory) {
    std::vector<u8> parts;
    for (const memory_part& m : memory) {
      const auto size = static_cast<u32>(m.bytes.size());
      const auto part = bytes_of(heard::part{.va = m.va, .bytes = size, .asked = size});
      parts.insert(parts.end(), part.begin(), part.end());
      parts.insert(parts.end(), m.bytes.begin(), m.bytes.end());
      parts.resize((parts.size() + 7) / 8 * 8);
    }
    event.head.bytes = static_cast<u32>(sizeof event + parts.size());
    event.head.nr_parts = static_cast<u16>(memory.size());
    const auto fixed = bytes_of(event);
    bytes_.insert(bytes_.end(), fixed.begin(), fixed.end());
    bytes_.insert(bytes_.end(), parts.begin(), parts.end());
  }

  u16 vcpu_ = 0;
  u16 depth_ = 0;
  std::vector<u8> bytes_;
};

}  // namespace pvmmu::lab
