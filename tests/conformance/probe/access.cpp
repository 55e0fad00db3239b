#include "tests/conformance/probe/access.h"

#include "tests/conformance/probe/console.h"
#include "tests/conformance/probe/hypercalls.h"

extern "C" {
void event();
void page_fault();
void general_protection();
void segment_not_present();

/// An instruction that may fault, and where to go on then.
struct recovery {
  pvmmu::u64 instruction;
  pvmmu::u64 resume;
};
extern const recovery recovery_begin[];
extern const recovery recovery_end[];

/// What the processor pushes.
struct exception_frame {
  pvmmu::u64 error_code;
  pvmmu::u64 rip;
};
void on_exception(pvmmu::u32 vector, exception_frame* frame);
}

namespace pvmmu::probe {
namespace {

struct {
  u16 vector;
  u32 error_code;
  u64 cr2;
} caught;

u64 read_cr2() {
  u64 value = 0;
  asm volatile("mov %%cr2, %0" : "=r"(value));
  return value;
}

// The instruction between 1: and 2: may fault; then 2: is next, with the registers as they were.
#define MAY_FAULT(instruction) \
  "1: " instruction            \
  "\n2:\n"                     \
  ".pushsection .recovery, \"a\"\n.quad 1b, 2b\n.popsection\n"

template <class T>
u64 read(T* at) {
  T value = 0;
  asm volatile(MAY_FAULT("mov %[at], %[value]") : [value] "+r"(value) : [at] "m"(*at) : "memory");
  return value;
}

template <class T>
u64 write(T* at, T value) {
  asm volatile(MAY_FAULT("mov %[value], %[at]") : [at] "=m"(*at) : [value] "r"(value) : "memory");
  return 0;
}

template <class T>
u64 xchg(T* at, T value) {
  asm volatile(MAY_FAULT("xchg %[value], %[at]") : [value] "+r"(value), [at] "+m"(*at) : : "memory");
  return value;
}

template <class T>
u64 cmpxchg(T* at, T value, T expected) {
  asm volatile(MAY_FAULT("lock cmpxchg %[value], %[at]")
               : "+a"(expected), [at] "+m"(*at)
               : [value] "r"(value)
               : "memory", "cc");
  return expected;
}

/// Nothing that runs here looks at %es; but Xen would load it again if it ever ran another domain.
u64 load_selector(u64 selector) {
  constexpr u64 ldt = 4;
  u16 before = 0;
  asm volatile("mov %%es, %0" : "=r"(before));
  asm volatile(MAY_FAULT("mov %w[selector], %%es") : : [selector] "r"(selector | ldt) : "memory");
  asm volatile("mov %0, %%es" : : "r"(before));
  return 0;
}

template <class T>
u64 perform_as(const access& a) {
  T* at = reinterpret_cast<T*>(a.va);
  switch (a.op) {
    case access_op::read: return read(at);
    case access_op::write: return write(at, static_cast<T>(a.value));
    case access_op::xchg: return xchg(at, static_cast<T>(a.value));
    case access_op::cmpxchg: return cmpxchg(at, static_cast<T>(a.value), static_cast<T>(a.expected));
    case access_op::load_selector: return load_selector(a.value);
  }
  lost("unknown access", static_cast<u64>(a.op));
}

u64 perform_sized(const access& a) {
  switch (a.bytes) {
    case 1: return perform_as<u8>(a);
    case 2: return perform_as<u16>(a);
    case 4: return perform_as<u32>(a);
    case 8: return perform_as<u64>(a);
    default: lost("unknown size of an access", a.bytes);
  }
}

}  // namespace

void catch_exceptions() {
  static const trap_info table[] = {{11, 0, FLAT_KERNEL_CS, reinterpret_cast<u64>(&segment_not_present)},
                                    {13, 0, FLAT_KERNEL_CS, reinterpret_cast<u64>(&general_protection)},
                                    {14, 0, FLAT_KERNEL_CS, reinterpret_cast<u64>(&page_fault)},
                                    {}};
  if (hypercall(HYPERVISOR_set_trap_table, address_of(table)) != 0) lost("set_trap_table");
  if (hypercall(HYPERVISOR_set_callbacks, reinterpret_cast<u64>(&event)) != 0) lost("set_callbacks");
}

call_result perform(const access& a) {
  // Both pages, if it goes on in a second.
  const mmuext_op flushes[] = {{MMUEXT_INVLPG_LOCAL, a.va, 0}, {MMUEXT_INVLPG_LOCAL, a.va + a.bytes - 1, 0}};
  if (a.op != access_op::load_selector) hypercall(HYPERVISOR_mmuext_op, address_of(flushes), 2, 0, DOMID_SELF);
  caught.vector = call_result::no_fault;
  call_result result;
  const u64 value = perform_sized(a);
  result.vector = caught.vector;
  if (caught.vector == call_result::no_fault) {
    result.result = static_cast<s64>(value);
  } else {
    result.error_code = caught.error_code;
    result.cr2 = caught.cr2;
  }
  return result;
}

}  // namespace pvmmu::probe

void on_exception(pvmmu::u32 vector, exception_frame* frame) {
  using namespace pvmmu::probe;
  caught.vector = static_cast<pvmmu::u16>(vector);
  caught.error_code = static_cast<pvmmu::u32>(frame->error_code);
  caught.cr2 = vector == 14 ? read_cr2() : 0;
  for (const recovery* r = recovery_begin; r != recovery_end; ++r)
    if (r->instruction == frame->rip) {
      frame->rip = r->resume;
      return;
    }
  console_line{} << "PROBE exception " << vector << " at " << frame->rip << " cr2 " << read_cr2();
  lost("an exception of its own", frame->rip);
}
