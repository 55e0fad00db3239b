// The probe's course: make itself at home, run every program of the module, say where the answers lie.

#include "tests/conformance/probe/access.h"
#include "tests/conformance/probe/blobs.h"
#include "tests/conformance/probe/foreign_domain.h"
#include "tests/conformance/probe/hypercalls.h"
#include "tests/conformance/probe/memory.h"
#include "tests/conformance/probe/run.h"

namespace pvmmu::probe {
namespace {

u64 first_m2p_frame() {
  u64 mfn = 0;
  const machphys_mfn_list list{1, address_of(&mfn), 0};
  if (hypercall(HYPERVISOR_memory_op, XENMEM_machphys_mfn_list, address_of(&list)) != 0) lost("machphys_mfn_list");
  return mfn;
}

/// The image lies in one piece in the machine, in the order of its addresses.
u64 machine_address(const start_info& start, u64 va) {
  const u64 offset = va - virt_base;
  return pointer_to<u64>(start.mfn_list)[offset / page_bytes] * page_bytes + offset % page_bytes;
}

/// Xen prints what its rangesets of dom0 hold: the host reads it there.
void dump_domains() {
  const sysctl request{XEN_SYSCTL_debug_keys, control_interface_version, address_of("q"), 1, {}};
  if (hypercall(HYPERVISOR_sysctl, address_of(&request)) != 0) lost("debug_keys");
}

/// What is known without asking for anything.
void introduce(results& answers, const start_info& start, u64 stack_end) {
  results_header& header = answers.header();
  header.probe_l4_mfn = machine_address(start, start.pt_base) / page_bytes;
  header.shared_info_mfn = start.shared_info / page_bytes;
  header.m2p_mfn = first_m2p_frame();
  header.start = {start.nr_pages,     builder_mapped_pages(stack_end),       virt_base, start.pt_base,
                  start.nr_pt_frames, machine_address(start, start.mfn_list)};
  console_line{} << "PROBE RESULTS " << machine_address(start, address_of(&header)) << " " << results_capacity;
}

void run_programs(results& answers, const start_info& start, reader& module, u32 nr_programs) {
  guard_blobs();
  catch_exceptions();
  create_foreign_domain();
  results_header& header = answers.header();
  frame_pool frames{start, header.start.mapped_pages};
  windows window_maker{frames, header.probe_l4_mfn};
  header.window_l3_mfn = window_maker.l3_mfn();
  grant_pool grants{header.grant_table_mfns};
  static u64 l4_entries[512];
  memcpy(l4_entries, pointer_to<u64>(start.pt_base), sizeof l4_entries);
  environment env{frames, window_maker, grants, answers, l4_entries};
  for (u32 i = 0; i < nr_programs; ++i) run_program(env, module);
}

void wait_for_host(const results_header& header) {
  const volatile u64& go_on = header.go_on;
  while (go_on == 0) hypercall(HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

}  // namespace
}  // namespace pvmmu::probe

extern "C" void probe_main(const pvmmu::probe::start_info* start, pvmmu::u64 stack_end) {
  using namespace pvmmu::probe;
  const pvmmu::u8* begin = pointer_to<pvmmu::u8>(start->mod_start);
  if (start->mod_len < sizeof(module_header)) lost("no module with programs");
  reader module{begin, begin + start->mod_len};
  const module_header& programs = *module.next<module_header>();
  if (programs.magic != module_magic || programs.version != format_version)
    lost("the module has no programs of this version");

  dump_domains();
  results answers;
  introduce(answers, *start, stack_end);
  if (programs.nr_programs != 0) run_programs(answers, *start, module, programs.nr_programs);
  answers.header().state = probe_state::done;
  console_line{} << "PROBE DONE";
  if (programs.nr_programs != 0) {
    wait_for_host(answers.header());
    destroy_foreign_domain();
    console_line{} << "PROBE ALONE";
  }
  idle();
}
