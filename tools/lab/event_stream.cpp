#include "tools/lab/event_stream.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/lab/lab_error.h"

namespace pvmmu::lab {

std::span<const u8> heard_memory::bytes(u64 va, u64 most) const {
  for (const part& p : parts_) {
    if (va < p.va || va - p.va >= p.bytes.size()) continue;
    const std::span<const u8> from = p.bytes.subspan(va - p.va);
    return from.first(std::min<u64>(most, from.size()));
  }
  return {};
}

void event_stream::fail(const char* what) const {
  throw lab_error(fmt::format("the stream of events, byte {} of {}: {}", all_ - rest_.size(), all_, what));
}

template <class Event>
Event event_stream::take(std::span<const u8>& event) const {
  if (event.size() < sizeof(Event)) fail("an event is shorter than its kind");
  Event taken;
  std::memcpy(&taken, event.data(), sizeof taken);
  event = event.subspan(sizeof taken);
  return taken;
}

heard_memory event_stream::take_memory(std::span<const u8> parts, unsigned count) const {
  heard_memory memory;
  for (unsigned i = 0; i < count; ++i) {
    const auto p = take<heard::part>(parts);
    const u64 padded = (u64{p.bytes} + 7) & ~u64{7};
    if (padded > parts.size()) fail("an event's memory reaches beyond its end");
    memory.add(p.va, parts.first(p.bytes));
    parts = parts.subspan(padded);
  }
  if (!parts.empty()) fail("an event is longer than what it holds");
  return memory;
}

std::optional<heard_event> event_stream::next() {
  if (rest_.empty()) return std::nullopt;
  heard::event_head head;
  if (rest_.size() < sizeof head) fail("it ends within an event");
  std::memcpy(&head, rest_.data(), sizeof head);
  if (head.bytes > rest_.size()) fail("it ends within an event");
  if (head.bytes < sizeof head || static_cast<unsigned>(head.handler) >= heard::nr_handlers) fail("no event");
  std::span<const u8> event = rest_.first(head.bytes);
  heard_event taken;
  switch (head.kind) {
    case heard::event_kind::entry: {
      const auto entry = take<heard::entry_event>(event);
      taken = heard_entry{head, entry.args, entry.guest_rip, entry.guest_rsp, take_memory(event, head.nr_parts)};
      break;
    }
    case heard::event_kind::exit: {
      const auto exit = take<heard::exit_event>(event);
      taken = heard_exit{head, exit.result, exit.guest_rsi, take_memory(event, head.nr_parts)};
      break;
    }
    case heard::event_kind::table: {
      const auto table = take<heard::table_event>(event);
      if (!event.empty()) fail("an event is longer than what it holds");
      taken = heard_table{head, table.mfn, table.words};
      break;
    }
    default: fail("no event");
  }
  rest_ = rest_.subspan(head.bytes);
  return taken;
}

}  // namespace pvmmu::lab
