#include "tools/bare_domain.h"

#include <cassert>
#include <iterator>

#include "tools/lab/program.h"

namespace pvmmu::tools {

namespace {

constexpr u64 table_flags = PAGE_PRESENT | PAGE_RW | PAGE_USER | PAGE_ACCESSED | PAGE_DIRTY;

}  // namespace

bare_domain::bare_domain(guest::channel_client& client, guest::hypercalls& xen, const start_info& info, u64 mapped)
    : client_(client),
      xen_(xen),
      info_(info),
      end_of_mapped_(mapped - std::size(tables_)),
      next_untouched_(info.mapped_pages),
      l4_(mfn_of({(info.pt_base - info.virt_base) >> PAGE_SHIFT})) {}

std::optional<mfn_t> bare_domain::take_mapped() {
  if (next_mapped_ == end_of_mapped_) return {};
  return mfn_of({next_mapped_++});
}

std::optional<mfn_t> bare_domain::take_untouched() {
  if (next_untouched_ >= info_.nr_pages) return {};
  return mfn_of({next_untouched_++});
}

void bare_domain::write(mfn_t mfn, unsigned slot, u64 value) {
  const auto result = xen_.access(
      0, {.kind = access_kind::write, .va = va_of(mfn) + slot * sizeof(u64), .value = value}, "bare_domain");
  assert(result && !result->fault);
}

void bare_domain::unmap(mfn_t mfn) {
  hypercall call = update_va_mapping_call{.va = va_of(mfn), .val = 0, .flags = UVMF_INVLPG, .vcpumask = {}};
  const auto result = xen_.call(0, call, "bare_domain");
  assert(result && *result == 0);
}

u64 bare_domain::window_va() {
  open_window();
  return probe::first_window_va;
}

mfn_t bare_domain::window_table(unsigned level) {
  if (level == 4) return l4_;
  open_window();
  return tables_[level - 1];
}

pte_t bare_domain::l4_entry(unsigned slot) { return client_.read_table(l4_)[slot]; }

/// From below: each table is linked into the one above it when that one is a table or will be.
void bare_domain::open_window() {
  if (window_is_open_) return;
  window_is_open_ = true;
  for (u64 i = 0; i < std::size(tables_); ++i) tables_[i] = mfn_of({end_of_mapped_ + i});
  write(tables_[1], 0, make_pte(tables_[0], table_flags));
  write(tables_[2], 0, make_pte(tables_[1], table_flags));
  for (const mfn_t table : tables_) unmap(table);
  const mmu_update_t link{.ptr = mfn_to_maddr(l4_, probe::window_l4_slot * sizeof(pte_t)).bytes,
                          .val = make_pte(tables_[2], table_flags)};
  hypercall call = mmu_update_call{.ureqs = {.entries = {&link, 1}}, .count = 1};
  const auto result = xen_.call(0, call, "bare_domain");
  assert(result && *result == 0);
}

mfn_t bare_domain::mfn_of(pfn_t pfn) const {
  for (const p2m_run& run : info_.p2m)
    if (run.pfn <= pfn && pfn.n - run.pfn.n < run.frames) return run.mfn + (pfn.n - run.pfn.n);
  assert(false && "no such pfn");
  return INVALID_MFN;
}

u64 bare_domain::va_of(mfn_t mfn) const {
  for (const p2m_run& run : info_.p2m)
    if (run.mfn <= mfn && mfn.n - run.mfn.n < run.frames)
      return info_.virt_base + ((run.pfn.n + (mfn.n - run.mfn.n)) << PAGE_SHIFT);
  assert(false && "no frame of the domain");
  return 0;
}

}  // namespace pvmmu::tools
