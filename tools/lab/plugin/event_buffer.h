#pragma once
// One event under construction, and the file that it goes to:
//
//   event_buffer event;                              // one, under the lock that orders all events
//   event.begin(entry_event{…});
//   event.add_memory(cpu, va, bytes);                // guest memory, as far as it can be read
//   event.write_to(fd);

#include "tools/lab/plugin/qemu_api.h"
#include "tools/lab/plugin/stream.h"

namespace pvmmu::lab::plugin {

class event_buffer {
 public:
  template <class Event>
  void begin(const Event& event) {
    used_ = 0;
    append(&event, sizeof event);
  }
  void add_memory(const processor& cpu, std::uint64_t va, std::uint64_t bytes);
  /// A structure that was added before, or a part of one; all zeros where it was not.
  template <class T>
  T get(std::uint64_t va) const {
    T value{};
    copy(va, &value, sizeof value);
    return value;
  }
  /// False: the file takes no more.
  bool write_to(int fd);

 private:
  void append(const void* from, std::size_t bytes);
  void copy(std::uint64_t va, void* to, std::size_t bytes) const;
  heard::event_head& head() { return *reinterpret_cast<heard::event_head*>(bytes_.data()); }

  static constexpr std::size_t capacity = std::size_t{1} << 20;
  alignas(8) std::array<std::uint8_t, capacity> bytes_{};
  std::size_t used_ = 0;
};

}  // namespace pvmmu::lab::plugin
