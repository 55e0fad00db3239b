#include "guest-pv/kernel_fault.h"

#include "guest-pv/pgalloc.h"
#include "guest-pv/vmalloc.h"

namespace pvmmu::guest {
namespace {

/// Kernels before 5.8, on 64 bits: a slot that init_mm's pgd got after this process's was made is taken over when it is
/// first missed.
bool vmalloc_fault(kernel_state& k, u64 va) {
  const unsigned slot = table_slot(va, 4);
  const entry_ref ref{k.init_mm.pgd, slot};
  const entry_ref pgd{k.this_cpu_tlb().loaded_mm->pgd, slot};
  if (none(k, ref) || !none(k, pgd)) return false;
  k.pv->set_p4d(pgd, k.tables.read(ref));
  if (k.profile().vmalloc_fault_flushes) k.pv->flush_lazy_mmu();
  // What the slot holds now is walked on: in lazy mode the update may be queued still.
  if (!none(k, pgd)) return true;
  k.cpu.printk("kernel BUG in vmalloc_fault");
  throw guest_stopped(guest_stopped::reason::bug, "kernel BUG in vmalloc_fault: the pgd's entry is not there yet");
}

/// spurious_kernel_fault: the entry allows the write, only the processor remembers it otherwise. The fault itself made
/// it forget.
bool spurious_kernel_fault(kernel_state& k, const access_result& fault) {
  if (fault.error_code != (PFEC_page_present | PFEC_write_access)) return false;
  const auto entry = find_entry(k, k.init_mm, fault.cr2, 1);
  return entry && (k.tables.load(*entry) & (PAGE_PRESENT | PAGE_RW)) == (PAGE_PRESENT | PAGE_RW);
}

}  // namespace

bool do_kern_addr_fault(kernel_state& k, const access_result& fault) {
  const bool missing = (fault.error_code & PFEC_page_present) == 0;
  if (missing && is_vmalloc_addr(fault.cr2) && k.profile().vmalloc_pgds == new_kernel_pgds::by_fault) {
    return vmalloc_fault(k, fault.cr2);
  }
  return spurious_kernel_fault(k, fault);
}

}  // namespace pvmmu::guest
