#include "guest-pv/rmap.h"

#include <fmt/format.h>

#include <cerrno>

#include "guest-pv/pgalloc.h"

namespace pvmmu::guest {
namespace {

/// The entries that map `page` at `va`: private memory is at the same address in all that share it.
std::vector<entry_ref> entries_of(kernel_state& k, pfn_t page, u64 va) {
  std::vector<entry_ref> found;
  for (const mm& each : k.mms) {
    const auto e = find_entry(k, each, va, 1);
    if (e && !none(k, *e) && k.pv->pte_pfn(k.tables.read(*e)) == page) found.push_back(*e);
  }
  return found;
}

}  // namespace

mm_result<u64> page_referenced(kernel_state& k, mm& mm, u64 va) {
  const auto here = find_entry(k, mm, va, 1);
  if (!here || none(k, *here)) return refused(ENOENT, fmt::format("-ENOENT: no page is mapped at {:#x}", va));
  const std::vector<entry_ref> entries = entries_of(k, frame_of(k, k.tables.read(*here)), va);
  for (const entry_ref e : entries)
    if (k.pages[e.table].locked) return refused(EBUSY, "-EBUSY: the table's lock is held");
  u64 referenced = 0;
  for (const entry_ref e : entries) {
    if ((k.tables.load(e) & PAGE_ACCESSED) == 0) continue;
    k.tables.native_clear_low_bit(e, PAGE_ACCESSED, k.config.vcpus > 1, "ptep_test_and_clear_young");
    ++referenced;
  }
  return referenced;
}

}  // namespace pvmmu::guest
