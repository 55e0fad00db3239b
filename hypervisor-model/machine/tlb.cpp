#include "hypervisor-model/machine/tlb.h"

#include <algorithm>
#include <utility>

#include "hypervisor-model/domain.h"
#include "hypervisor-model/machine/page_walk.h"

namespace pvmmu::xen {
namespace {

bool is_of(const tlb_entry& e, mfn_t root, u64 va) { return e.root == root && e.page == va >> PAGE_SHIFT; }

/// As nobody uses the page now, no bit is set on the way.
void look_again(const machine& m, vcpu& v, const tlb_entry& was) {
  if (was.root != v.guest_table && was.root != v.guest_table_user) return;
  const translation t = walk(m, was.root, was.page << PAGE_SHIFT);
  if (t.present && t.accessed) tlb_remember(v.tlb, {was.root, was.page, t.frame, t.writable, t.user, t.dirty});
}

}  // namespace

const tlb_entry* tlb_find(const tlb_entries& known, mfn_t root, u64 va) {
  const auto at = std::ranges::find_if(known, [=](const tlb_entry& e) { return is_of(e, root, va); });
  return at == known.end() ? nullptr : &*at;
}

void tlb_remember(tlb_entries& known, const tlb_entry& entry) {
  std::erase_if(known, [&](const tlb_entry& e) { return e.root == entry.root && e.page == entry.page; });
  if (known.size() == tlb_capacity) known.erase(known.begin());
  known.push_back(entry);
}

void tlb_forget(tlb_entries& known, u64 va) {
  std::erase_if(known, [=](const tlb_entry& e) { return e.page == va >> PAGE_SHIFT; });
}

void tlb_flush(const machine& m, vcpu& v) {
  for (const tlb_entry& was : std::exchange(v.tlb, {})) look_again(m, v, was);
}

void tlb_flush_one(const machine& m, vcpu& v, u64 va) {
  for (const tlb_entry& was : std::exchange(v.tlb, {})) {
    if (was.page == va >> PAGE_SHIFT)
      look_again(m, v, was);
    else
      v.tlb.push_back(was);
  }
}

}  // namespace pvmmu::xen
