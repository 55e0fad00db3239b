#include "tools/lab/ears.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "tools/lab/lab_error.h"
#include "tools/lab/plugin/stream.h"

namespace pvmmu::lab {
namespace {

using heard::handler;

/// Xen's functions, by handler.
constexpr std::array<const char*, heard::nr_handlers> handler_symbols{
    "do_mmu_update",        "do_mmuext_op",
    "do_update_va_mapping", "do_update_va_mapping_otherdomain",
    "do_multicall",         "arch/x86/pv/ro-page-fault.c#ptwr_emulated_update",
    "do_memory_op",         "do_grant_table_op",
    "do_set_gdt",           "do_update_descriptor",
    "do_vm_assist",         "do_vcpu_op"};

/// The functions that call them.
constexpr std::array callers{"pv_hypercall", "pv_do_multicall_call", "arch/x86/pv/ro-page-fault.c#ptwr_emulated_write",
                             "arch/x86/pv/ro-page-fault.c#ptwr_emulated_cmpxchg", "x86_emulate"};

constexpr const char* validating_function = "arch/x86/mm.c#_get_page_type";

std::string plugin_argument(const std::filesystem::path& plugin, int fd, const symbol_map& symbols) {
  std::string argument = fmt::format("file={},fd={:x}", plugin.string(), fd);
  for (std::size_t i = 0; i < handler_symbols.size(); ++i)
    argument += fmt::format(",entry={:x}:{:x}", i, symbols.address(handler_symbols[i]));
  for (const char* name : callers)
    argument += fmt::format(",returns={:x}:{:x}", symbols.address(name), symbols.end(name));
  return argument + fmt::format(",validation={:x}", symbols.address(validating_function));
}

}  // namespace

ears::ears(std::filesystem::path plugin, const symbol_map& symbols)
    : events_(checked_fd(memfd_create("events", MFD_CLOEXEC), "memfd_create")) {
  if (!std::filesystem::exists(plugin))
    throw lab_error(fmt::format("{}: the recorder's plugin is not where the build has put it", plugin.string()));
  fcntl(events_.get(), F_SETFL, O_APPEND);  // so that what was heard can be forgotten
  argument_ = plugin_argument(plugin, events_.get(), symbols);
}

ears::~ears() { unmap(); }

void ears::unmap() {
  if (!mapped_.empty()) munmap(mapped_.data(), mapped_.size());
  mapped_ = {};
}

std::span<const u8> ears::heard() {
  unmap();
  struct stat status{};
  if (fstat(events_.get(), &status) != 0) throw lab_error("the stream of events has no size");
  const auto bytes = static_cast<std::size_t>(status.st_size);
  if (bytes != 0) {
    void* at = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, events_.get(), 0);
    if (at == MAP_FAILED) throw lab_error(fmt::format("{} bytes of events cannot be mapped", bytes));
    mapped_ = {static_cast<u8*>(at), bytes};
  }
  if (begun_) return mapped_;
  const heard::stream_head expected;
  if (bytes < sizeof expected || std::memcmp(mapped_.data(), &expected, sizeof expected) != 0)
    throw lab_error("the recorder's plugin did not begin its stream of events");
  return mapped_.subspan(sizeof expected);
}

void ears::forget() {
  heard();
  begun_ = true;
  unmap();
  if (ftruncate(events_.get(), 0) != 0) throw lab_error("the stream of events cannot be emptied");
}

}  // namespace pvmmu::lab
