#include "tests/conformance/probe/foreign_domain.h"

#include "tests/conformance/probe/console.h"
#include "tests/conformance/probe/hypercalls.h"

namespace pvmmu::probe {
namespace {

void control(const domctl& request, const char* what) {
  if (hypercall(HYPERVISOR_domctl, address_of(&request)) != 0) lost(what);
}

}  // namespace

void create_foreign_domain() {
  const u32 default_limit = ~u32{0}, event_channels = 1023, grant_version_1 = 1;
  domctl create{.cmd = XEN_DOMCTL_createdomain, .domain = foreign_domid};
  create.words[4] = 1;  // words 0-4: label and handle; the handle may be anything
  create.words[7] = 1;  // vCPUs
  create.words[8] = event_channels;
  create.words[9] = create.words[10] = default_limit;  // frames of grants, and of their mappings
  create.words[11] = grant_version_1;
  control(create, "cannot create the foreign domain");

  const domctl vcpus{.cmd = XEN_DOMCTL_max_vcpus, .domain = foreign_domid, .words = {1}};
  control(vcpus, "cannot give the foreign domain a vCPU");
  const domctl memory{.cmd = XEN_DOMCTL_max_mem, .domain = foreign_domid, .words = {u32{1} << 30}};
  control(memory, "cannot give the foreign domain memory");  // in KiB
}

void populate_foreign_domain(u32 frames, u64* mfns) {
  static u64 next_pfn = 0;
  for (u32 i = 0; i < frames; ++i) mfns[i] = next_pfn++;
  const memory_reservation reservation{address_of(mfns), frames, 0, 0, foreign_domid};
  if (hypercall(HYPERVISOR_memory_op, XENMEM_populate_physmap, address_of(&reservation)) != frames)
    lost("no memory for the foreign domain", next_pfn);
}

void destroy_foreign_domain() {
  const domctl destroy{.cmd = XEN_DOMCTL_destroydomain, .domain = foreign_domid};
  control(destroy, "cannot destroy the foreign domain");
}

}  // namespace pvmmu::probe
