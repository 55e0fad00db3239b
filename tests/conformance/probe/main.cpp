// The probe's course: make itself at home, run every program of the module, say where the answers lie.

#include "tests/conformance/probe/access.h"
#include "tests/conformance/probe/blobs.h"
#include "tests/conformance/probe/hypercalls.h"
#include "tests/conformance/probe/memory.h"
#include "tests/conformance/probe/run.h"

namespace pvmmu::probe {
namespace {

constexpr u64 virt_base = 0xffffffff80000000;

u64 first_m2p_frame() {
  u64 mfn = 0;
  const u64 XENMEM_machphys_mfn_list = 5;
  const machphys_mfn_list list{1, address_of(&mfn), 0};
  if (hypercall(HYPERVISOR_memory_op, XENMEM_machphys_mfn_list, address_of(&list)) != 0) lost("machphys_mfn_list");
  return mfn;
}

/// The image lies in one piece in the machine, in the order of its addresses.
u64 machine_address(const start_info& start, const void* p) {
  const u64* p2m = reinterpret_cast<const u64*>(start.mfn_list);
  const u64 offset = address_of(p) - virt_base;
  return p2m[offset / page_bytes] * page_bytes + offset % page_bytes;
}

/// Xen prints what its rangesets of dom0 hold: the host reads it there.
void dump_domain() {
  const u32 XEN_SYSCTL_debug_keys = 7;
  struct {
    u32 cmd, version;
    u64 keys;
    u32 nr_keys;
    u8 rest[128];
  } sysctl = {XEN_SYSCTL_debug_keys, 0x15, address_of("q"), 1, {}};
  const s64 result = hypercall(HYPERVISOR_sysctl, address_of(&sysctl));
  if (result != 0) console_line{} << "PROBE no domain dump: " << static_cast<u64>(-result);
}

void run_all(const start_info& start, u64 stack_end) {
  const u8* begin = reinterpret_cast<const u8*>(start.mod_start);
  if (start.mod_len < sizeof(module_header)) lost("no module with programs");
  reader module{begin, begin + start.mod_len};
  const module_header& header = *module.next<module_header>();
  if (header.magic != module_magic || header.version != format_version)
    lost("the module has no programs of this version");

  results answers;
  const u64 probe_l4_mfn = machine_address(start, reinterpret_cast<const void*>(start.pt_base)) / page_bytes;
  frame_pool frames{start, stack_end};
  windows window_maker{frames, probe_l4_mfn};
  answers.header().probe_l4_mfn = probe_l4_mfn;
  answers.header().window_l3_mfn = window_maker.l3_mfn();
  answers.header().shared_info_mfn = start.shared_info / page_bytes;
  answers.header().m2p_mfn = first_m2p_frame();
  static u64 l4_entries[512];
  memcpy(l4_entries, reinterpret_cast<const void*>(start.pt_base), sizeof l4_entries);
  console_line{} << "PROBE RESULTS " << machine_address(start, &answers.header()) << " " << results::capacity();

  environment env{frames, window_maker, answers, l4_entries};
  for (u32 i = 0; i < header.nr_programs; ++i) run_program(env, module);
  answers.header().state = probe_state::done;
}

}  // namespace
}  // namespace pvmmu::probe

extern "C" void probe_main(const pvmmu::probe::start_info* start, pvmmu::u64 stack_end) {
  using namespace pvmmu::probe;
  guard_blobs();
  catch_exceptions();
  dump_domain();
  run_all(*start, stack_end);
  console_line{} << "PROBE DONE";
  idle();
}
