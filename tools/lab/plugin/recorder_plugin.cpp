// A plugin of QEMU that hears every MMU call in Xen: the handlers' entries and returns, and the tables that Xen is
// about to validate, written to a descriptor that QEMU has inherited (stream.h). Where to listen is said in its
// arguments (ears.h): fd=N, entry=HANDLER:ADDRESS, returns=FROM:TO, validation=ADDRESS.

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>
#include <vector>

#include "tools/lab/plugin/call_memory.h"

namespace pvmmu::lab::plugin {
namespace {

// Xen's layout (xen 4.17 config.h:114-156, asm/current.h, asm/mm.h, x86_emulate.h).
constexpr std::uint64_t frame_table = 0xffff82e000000000;
constexpr std::uint64_t direct_map = 0xffff830000000000;
constexpr std::uint64_t stack_bytes = 8 * 4096;
constexpr std::uint64_t cpu_info_bytes = 0x108;
constexpr std::uint64_t current_vcpu_offset = 0xd0;
constexpr std::uint64_t frame_record_bytes = 32;
constexpr std::uint64_t type_info_offset = 16;
constexpr std::uint64_t type_shift = 61;
constexpr std::uint64_t validated = std::uint64_t{1} << 58;
constexpr std::uint64_t highest_checked_type = 5;  // segment descriptors, above the four page tables
constexpr std::uint64_t emulation_data_offset = 16;

constexpr unsigned most_processors = 64;
constexpr std::uint64_t guest_stack_bytes = 192 * sizeof(std::uint64_t);
constexpr off_t most_bytes = off_t{1} << 31;  // of events that are not yet forgotten: a million calls
constexpr int reads_registers = 1;            // QEMU_PLUGIN_CB_R_REGS

struct address_range {
  std::uint64_t from;
  std::uint64_t to;
};

/// A handler that was entered and has not returned.
struct open_call {
  std::uint64_t rsp;
  std::uint64_t returns_to;
  heard::handler handler;
  call_args args;
};

struct recorder {
  int fd = -1;
  std::array<std::uint64_t, heard::nr_handlers> handlers{};
  std::uint64_t validation = 0;
  std::vector<address_range> callers;

  std::mutex order;  ///< of all events, and of the processors' calls
  event_buffer event;
  std::array<std::vector<open_call>, most_processors> open;
};

recorder& the_recorder() {
  static recorder& r = *new recorder;  // processors run until QEMU is gone
  return r;
}

/// Who runs on this processor, from Xen's struct cpu_info at the top of its stack.
struct guest_state {
  heard::event_head head;
  std::uint64_t cpu_info;

  explicit guest_state(const processor& cpu, std::uint64_t rsp)
      : cpu_info((rsp | (stack_bytes - 1)) + 1 - cpu_info_bytes) {
    const std::uint64_t vcpu = cpu.word(cpu_info + current_vcpu_offset);
    head.vcpu = static_cast<std::uint16_t>(cpu.word(vcpu));
    head.domid = static_cast<std::uint16_t>(cpu.word(cpu.word(vcpu + 16)));
  }
  /// A word of struct cpu_user_regs.
  std::uint64_t reg(const processor& cpu, unsigned index) const { return cpu.word(cpu_info + 8 * index); }
};

constexpr unsigned guest_rsi = 13;
constexpr unsigned guest_rip = 16;
constexpr unsigned guest_rsp = 19;

void write_event(recorder& r) {
  if (!r.event.write_to(r.fd)) {
    std::fprintf(stderr, "the recorder's plugin: the stream of events cannot be written\n");
  } else if (lseek(r.fd, 0, SEEK_CUR) > most_bytes) {
    std::fprintf(stderr, "the recorder's plugin: more than %lld bytes of events: the line makes too many calls\n",
                 static_cast<long long>(most_bytes));
  } else {
    return;
  }
  std::abort();  // what is not heard must not happen
}

call_args arguments(const processor& cpu, heard::handler which) {
  call_args args{cpu.get(gpr::rdi), cpu.get(gpr::rsi), cpu.get(gpr::rdx),
                 cpu.get(gpr::rcx), cpu.get(gpr::r8),  cpu.get(gpr::r9)};
  // The emulated write's last argument leads to the entry that is written: said instead of it.
  if (which == heard::handler::ptwr_emulated_update) args[5] = cpu.word(cpu.word(args[4] + emulation_data_offset) + 8);
  return args;
}

void on_entry(unsigned index, void* data) {
  recorder& r = the_recorder();
  const std::lock_guard in_order{r.order};
  const auto which = static_cast<heard::handler>(static_cast<std::uint64_t*>(data) - r.handlers.data());
  const processor cpu{index};
  const std::uint64_t rsp = cpu.get(gpr::rsp);
  std::vector<open_call>& open = r.open[index];
  while (!open.empty() && open.back().rsp <= rsp) open.pop_back();  // they will never return
  const guest_state guest{cpu, rsp};
  heard::entry_event event{.head = guest.head, .args = arguments(cpu, which)};
  event.head.kind = heard::event_kind::entry;
  event.head.handler = which;
  event.head.depth = static_cast<std::uint16_t>(open.size());
  event.guest_rip = guest.reg(cpu, guest_rip);
  event.guest_rsp = guest.reg(cpu, guest_rsp);
  r.event.begin(event);
  add_asked_memory(cpu, which, event.args, r.event);
  if (open.empty()) r.event.add_memory(cpu, event.guest_rsp, guest_stack_bytes);
  write_event(r);
  open.push_back({rsp, cpu.word(rsp), which, event.args});
}

/// Any block of code in a function that calls handlers.
void on_caller(unsigned index, void* va) {
  recorder& r = the_recorder();
  const std::lock_guard in_order{r.order};
  std::vector<open_call>& open = r.open[index];
  if (open.empty() || open.back().returns_to != reinterpret_cast<std::uintptr_t>(va)) return;
  const processor cpu{index};
  const std::uint64_t rsp = cpu.get(gpr::rsp);
  if (rsp != open.back().rsp + sizeof(std::uint64_t)) return;  // an inner call of the same place
  const open_call returned = open.back();
  open.pop_back();
  const guest_state guest{cpu, rsp};
  heard::exit_event event{.head = guest.head, .result = cpu.get(gpr::rax)};
  event.head.kind = heard::event_kind::exit;
  event.head.handler = returned.handler;
  event.head.depth = static_cast<std::uint16_t>(open.size());
  event.guest_rsi = guest.reg(cpu, guest_rsi);
  r.event.begin(event);
  add_written_memory(cpu, returned.handler, returned.args, r.event);
  write_event(r);
}

/// _get_page_type(page, type, …): the words of a frame that is to be checked as that type. (The functions that check
/// are inlined into this one.)
void on_validation(unsigned index, void*) {
  const processor cpu{index};
  const std::uint64_t type = cpu.get(gpr::rsi) >> type_shift;
  if (type == 0 || type > highest_checked_type) return;
  const std::uint64_t page = cpu.get(gpr::rdi);
  const std::uint64_t type_info = cpu.word(page + type_info_offset);
  if (type_info >> type_shift == type && (type_info & validated) != 0) return;
  recorder& r = the_recorder();
  const std::lock_guard in_order{r.order};
  heard::table_event event{.head = guest_state{cpu, cpu.get(gpr::rsp)}.head};
  event.head.kind = heard::event_kind::table;
  event.mfn = (page - frame_table) / frame_record_bytes;
  if (!cpu.read(direct_map + event.mfn * 4096, event.words.data(), sizeof event.words)) return;
  r.event.begin(event);
  write_event(r);
}

void on_translated(qemu_plugin_id_t, qemu_plugin_tb* tb) {
  recorder& r = the_recorder();
  const std::uint64_t va = qemu_plugin_tb_vaddr(tb);
  for (std::uint64_t& handler : r.handlers)
    if (va == handler) qemu_plugin_register_vcpu_tb_exec_cb(tb, on_entry, reads_registers, &handler);
  if (va == r.validation) qemu_plugin_register_vcpu_tb_exec_cb(tb, on_validation, reads_registers, nullptr);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): all that QEMU hands on is a pointer
  void* const address = reinterpret_cast<void*>(va);
  for (const address_range& range : r.callers)
    if (va >= range.from && va < range.to)
      qemu_plugin_register_vcpu_tb_exec_cb(tb, on_caller, reads_registers, address);
}

/// "A:B" in base 16, or "A" with B 0.
address_range two_numbers(const char* text) {
  char* end = nullptr;
  const std::uint64_t first = std::strtoull(text, &end, 16);
  return {first, *end == ':' ? std::strtoull(end + 1, nullptr, 16) : 0};
}

bool take_argument(recorder& r, const char* argument) {
  const char* const equals = std::strchr(argument, '=');
  if (!equals) return false;
  const std::string_view name{argument, equals};
  const address_range numbers = two_numbers(equals + 1);
  if (name == "fd") {
    r.fd = static_cast<int>(numbers.from);
  } else if (name == "entry" && numbers.from < r.handlers.size()) {
    r.handlers[numbers.from] = numbers.to;
  } else if (name == "returns") {
    r.callers.push_back(numbers);
  } else if (name == "validation") {
    r.validation = numbers.from;
  } else {
    return false;
  }
  return true;
}

}  // namespace
}  // namespace pvmmu::lab::plugin

extern "C" {
__attribute__((visibility("default"))) extern const int qemu_plugin_version;
const int qemu_plugin_version = 1;
__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void* info, int argc,
                                                               char** argv);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void*, int argc, char** argv) {
  using namespace pvmmu::lab::plugin;
  recorder& r = the_recorder();
  for (int i = 0; i < argc; ++i) {
    if (take_argument(r, argv[i])) continue;
    std::fprintf(stderr, "the recorder's plugin: argument '%s' is not known\n", argv[i]);
    return -1;
  }
  if (!find_qemu_functions()) return -1;
  const pvmmu::lab::heard::stream_head head;
  if (write(r.fd, &head, sizeof head) != sizeof head) {
    std::fprintf(stderr, "the recorder's plugin: descriptor %d cannot be written\n", r.fd);
    return -1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
  return 0;
}
