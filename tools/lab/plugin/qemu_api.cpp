#include "tools/lab/plugin/qemu_api.h"

#include <dlfcn.h>

#include <bit>
#include <cstdio>
#include <cstring>

namespace pvmmu::lab::plugin {
namespace {

CPUState* (*get_cpu)(int);
int (*read_register)(CPUState*, GByteArray*, int);
int (*memory_rw)(CPUState*, std::uint64_t, void*, std::size_t, bool);
GByteArray* (*array_new)();
GByteArray* (*array_set_size)(GByteArray*, unsigned);

template <class Function>
bool find(Function& function, const char* name) {
  void* found = dlsym(RTLD_DEFAULT, name);
  if (!found) {
    std::fprintf(stderr, "the recorder's plugin: this QEMU does not export %s; 7.2, as Debian 12 builds it, does\n",
                 name);
    return false;
  }
  function = std::bit_cast<Function>(found);
  return true;
}

}  // namespace

bool find_qemu_functions() {
  return find(get_cpu, "qemu_get_cpu") && find(read_register, "x86_cpu_gdb_read_register") &&
         find(memory_rw, "cpu_memory_rw_debug") && find(array_new, "g_byte_array_new") &&
         find(array_set_size, "g_byte_array_set_size");
}

processor::processor(unsigned index) : cpu_(get_cpu(static_cast<int>(index))) {}

std::uint64_t processor::get(gpr reg) const {
  thread_local GByteArray* const bytes = array_new();  // a processor has its thread
  array_set_size(bytes, 0);
  read_register(cpu_, bytes, static_cast<int>(reg));
  std::uint64_t value = 0;
  std::memcpy(&value, bytes->data, sizeof value);
  return value;
}

bool processor::read(std::uint64_t va, void* to, std::size_t bytes) const {
  return memory_rw(cpu_, va, to, bytes, false) == 0;
}

std::uint64_t processor::word(std::uint64_t va) const {
  std::uint64_t value = 0;
  return read(va, &value, sizeof value) ? value : 0;
}

}  // namespace pvmmu::lab::plugin
