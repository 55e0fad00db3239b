#pragma once
// The little of QEMU 7.2 that the plugin needs, declared here: neither QEMU's headers nor glib's are needed to build
// it. The plugin interface of that version shows a processor's progress, but no register; what QEMU itself uses to
// answer a debugger is exported as well, and looked up when the plugin is loaded.

#include <array>
#include <cstddef>
#include <cstdint>

extern "C" {
// NOLINTBEGIN(readability-identifier-naming): QEMU named them
struct qemu_plugin_tb;
struct CPUState;
struct GByteArray {
  std::uint8_t* data;
  unsigned len;
};
using qemu_plugin_id_t = std::uint64_t;

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*on_translated)(qemu_plugin_id_t, qemu_plugin_tb*));
void qemu_plugin_register_vcpu_tb_exec_cb(qemu_plugin_tb* tb, void (*on_run)(unsigned cpu, void* data), int flags,
                                          void* data);
std::uint64_t qemu_plugin_tb_vaddr(const qemu_plugin_tb* tb);
// NOLINTEND(readability-identifier-naming)
}

namespace pvmmu::lab::plugin {

/// The registers by a debugger's numbers.
enum class gpr : int { rax = 0, rcx = 2, rdx = 3, rsi = 4, rdi = 5, rsp = 7, r8 = 8, r9 = 9 };

/// Looks up what QEMU exports. What is missing is printed on stderr; false then.
bool find_qemu_functions();

/// The processor that a callback was called for. Valid within the callback.
class processor {
 public:
  explicit processor(unsigned index);
  std::uint64_t get(gpr reg) const;
  /// Reads virtual memory as the processor sees it now. False: something of it is not mapped.
  bool read(std::uint64_t va, void* to, std::size_t bytes) const;
  /// The same; 0 where it cannot be read.
  std::uint64_t word(std::uint64_t va) const;

 private:
  CPUState* cpu_;
};

}  // namespace pvmmu::lab::plugin
