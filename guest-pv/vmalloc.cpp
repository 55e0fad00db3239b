#include "guest-pv/vmalloc.h"

#include "guest-pv/pgalloc.h"

namespace pvmmu::guest {
namespace {

/// What init_mm's pgd got in the slot of `va`, all other pgds get too.
void sync_global_pgds(kernel_state& k, u64 va) {
  const unsigned slot = table_slot(va, 4);
  for (const mm& each : k.mms) {
    const entry_ref pgd{each.pgd, slot};
    if (none(k, pgd)) k.pv->set_p4d(pgd, k.tables.read({k.init_mm.pgd, slot}));
  }
}

void map_page(kernel_state& k, u64 va, pfn_t page) {
  const bool new_slot = none(k, {k.init_mm.pgd, table_slot(va, 4)});
  const entry_ref pte = alloc_entry(k, k.init_mm, va, 1);
  k.pv->set_pte(pte, k.pv->make_pte(page, PAGE_KERNEL));
  if (new_slot && k.profile().vmalloc_pgds == new_kernel_pgds::synced) sync_global_pgds(k, va);
}

void clear_entries(kernel_state& k, vmap_areas::area& area) {
  if (std::exchange(area.cleared, true)) return;
  for (u64 i = 0; i < area.pages; ++i) {
    if (const auto pte = find_entry(k, k.init_mm, area.start + (i << PAGE_SHIFT), 1)) {
      k.tables.native_get_and_clear(*pte, "vunmap_pte_range");
    }
  }
}

}  // namespace

u64 vmap(kernel_state& k, std::span<const pfn_t> pages) {
  const u64 start = k.vmalloc.next;
  k.vmalloc.next += (pages.size() + 1) << PAGE_SHIFT;
  for (u64 i = 0; i < pages.size(); ++i) map_page(k, start + (i << PAGE_SHIFT), pages[i]);
  k.vmalloc.used[start] = {start, pages.size()};
  return start;
}

bool vunmap(kernel_state& k, u64 va) {
  const auto found = k.vmalloc.used.find(va);
  if (found == k.vmalloc.used.end()) return false;
  if (k.profile().vunmap_clears == vunmap_clearing::at_once) clear_entries(k, found->second);
  k.vmalloc.lazily_freed.push_back(found->second);
  k.vmalloc.used.erase(found);
  return true;
}

// flush_tlb_kernel_range, on each CPU.
void vm_unmap_aliases(kernel_state& k) {
  for (vmap_areas::area& area : k.vmalloc.lazily_freed) {
    clear_entries(k, area);
    for (vcpu_id_t cpu = 0; cpu < k.config.vcpus; ++cpu) {
      k.cpu.on(cpu, [&] {
        for (u64 i = 0; i < area.pages; ++i) k.pv->flush_tlb_one_user(area.start + (i << PAGE_SHIFT));
      });
    }
  }
  k.vmalloc.lazily_freed.clear();
}

}  // namespace pvmmu::guest
