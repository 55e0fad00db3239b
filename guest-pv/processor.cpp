#include "guest-pv/processor.h"

#include <fmt/format.h>

namespace pvmmu::guest {
namespace {

template <class T>
T or_stop(std::expected<T, domain_crashed> answer, std::string_view caller) {
  if (!answer) {
    throw guest_stopped(guest_stopped::reason::domain_crashed, fmt::format("Xen crashed the domain in {}", caller));
  }
  return *answer;
}

}  // namespace

long processor::hypercall(pvmmu::hypercall& call, std::string_view caller) {
  return or_stop(xen_.call(id_, call, caller), caller);
}

access_result processor::access(const access_request& request, std::string_view caller) {
  return or_stop(xen_.access(id_, request, caller), caller);
}

// Without a handler there is nobody to go on: Xen crashes the domain (xen 4.17 x86_64/entry.S create_bounce_frame). Its
// model is told of no handlers, so it is known here. The three lines are what Linux prints first (linux 6.1
// arch/x86/mm/fault.c show_fault_oops).
u64 processor::kernel_access(const access_request& request, std::string_view caller) {
  access_result result = access(request, caller);
  if (result.fault && !fault_handler_)
    throw guest_stopped(guest_stopped::reason::domain_crashed,
                        fmt::format("Xen crashes the domain in {}: there is no handler of page faults yet", caller));
  if (result.fault && fault_handler_(result)) result = access(request, caller);
  if (!result.fault) return result.value;

  const bool write = (result.error_code & PFEC_write_access) != 0;
  const bool present = (result.error_code & PFEC_page_present) != 0;
  const std::string head = fmt::format("BUG: unable to handle page fault for address: {:016x}", result.cr2);
  printk(head);
  printk(fmt::format("#PF: supervisor {} access in kernel mode", write ? "write" : "read"));
  printk(fmt::format("#PF: error_code(0x{:04x}) - {}", result.error_code,
                     present ? "permissions violation" : "not-present page"));
  throw guest_stopped(guest_stopped::reason::oops, fmt::format("{} in {}", head, caller));
}

u64 processor::load(u64 va, std::string_view caller) {
  return kernel_access({.kind = access_kind::read, .va = va}, caller);
}

void processor::store(u64 va, u64 value, std::string_view caller) {
  kernel_access({.kind = access_kind::write, .va = va, .value = value}, caller);
}

u64 processor::xchg(u64 va, u64 value, std::string_view caller) {
  return kernel_access({.kind = access_kind::xchg, .va = va, .value = value}, caller);
}

u64 processor::cmpxchg(u64 va, u64 expected, u64 value, u8 bytes, std::string_view caller) {
  return kernel_access({.kind = access_kind::cmpxchg, .bytes = bytes, .va = va, .value = value, .expected = expected},
                       caller);
}

void processor::store_byte(u64 va, u64 value, std::string_view caller) {
  kernel_access({.kind = access_kind::write, .bytes = 1, .va = va, .value = value & 0xff}, caller);
}

access_result processor::user_access(access_kind kind, u64 va, u64 value) {
  return access({.kind = kind, .mode = cpu_mode::user, .va = va, .value = value}, "user mode");
}

}  // namespace pvmmu::guest
