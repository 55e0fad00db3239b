#pragma once
// QEMU's gdb stub: breakpoints, registers and memory of a machine that is stopped where something of interest happens.
//
//   gdb_client gdb{std::move(socket)};                      // the machine stands still
//   gdb.set_breakpoint(symbols.address("do_mmu_update"));
//   gdb.cont();
//   while (const auto stop = gdb.wait(deadline{60s})) {     // at the breakpoint, before its instruction
//     const gdb_registers& now = gdb.registers();
//     now["rsi"]                                            // the call's count
//     gdb.get<u64>(now["rdi"])                              // and its first word
//     gdb.cont();                                           // over the breakpoint
//   }
//
// Requests are for a machine that stands still: after the constructor, a stop or a step, and not between cont() and the
// wait() that brings a stop. If it is stopped through QEMU's monitor, wait() brings that as well, with SIGINT.
//
// All throw lab_error if the stub does not answer in time, is gone, or answers what is no answer.

#include <chrono>
#include <expected>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <type_traits>

#include "proto/abi/types.h"
#include "tools/lab/deadline.h"
#include "tools/lab/gdb_link.h"
#include "tools/lab/gdb_registers.h"
#include "tools/lab/lab_error.h"
#include "tools/lab/unique_fd.h"

namespace pvmmu::lab {

/// What an address names when memory is read and written.
enum class gdb_addresses { virtual_ones, physical_ones };

struct gdb_stop {
  int signal = 0;      ///< 5 (SIGTRAP): a breakpoint or a step; 2 (SIGINT): it was told to stop
  std::string thread;  ///< the processor's number, as the stub names it
};

class gdb_client {
 public:
  /// For a machine that stands still: one that was started so (-S), or runs, and QEMU stops it when the socket comes.
  /// `patience`: for each answer.
  explicit gdb_client(unique_fd socket, std::chrono::milliseconds patience = std::chrono::seconds{20});

  /// Of the processor that stopped, until it goes on.
  const gdb_registers& registers();

  /// Virtual addresses are those of the processor that stopped, as its tables are now; it is so from the start.
  void use(gdb_addresses addresses);
  /// The error: what the stub says, for example because nothing is mapped there.
  std::expected<void, std::string> read(u64 address, std::span<u8> to);
  std::expected<void, std::string> write(u64 address, std::span<const u8> from);
  /// Throws lab_error if it cannot be read.
  template <class T>
  T get(u64 address) {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    if (const auto done = read(address, {reinterpret_cast<u8*>(&value), sizeof value}); !done)
      throw lab_error(done.error());
    return value;
  }

  /// All processors stop before the instruction at this virtual address, in whatever tables: also before there are any.
  void set_breakpoint(u64 va);
  void clear_breakpoint(u64 va);

  /// The machine runs on, over a breakpoint that the processor stands at.
  void cont();
  /// One instruction of the processor that stopped, or, rarely, none; the others stand still.
  gdb_stop step();
  /// Asks a running machine to stop, which wait() then brings.
  void interrupt();
  /// Until the machine stops; nothing if it still runs when time is over.
  std::optional<gdb_stop> wait(const deadline& until);

 private:
  std::string request(std::string_view payload);
  void expect_ok(std::string_view payload);
  std::string file_of_stub(const std::string& name);
  void leave_breakpoint();
  void resume(std::string_view how);

  gdb_link link_;
  std::chrono::milliseconds patience_;
  u64 packet_bytes_ = 400;  ///< the longest that the stub takes and sends
  std::optional<gdb_register_layout> layout_;
  std::optional<gdb_registers> registers_;
  std::set<u64> breakpoints_;
  bool running_ = false;
  std::string thread_;  ///< the processor that stopped
};

}  // namespace pvmmu::lab
