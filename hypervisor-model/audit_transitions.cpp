#include "hypervisor-model/audit_transitions.h"

#include <algorithm>
#include <utility>

#include "proto/abi/errno.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {
namespace {

bool is_protected(const page_info& pg) {
  return pg.type_count() > 0 && (table_level(pg.type_info) != 0 || (pg.type_info & PGT_type_mask) == PGT_seg_desc_page);
}

/// Types that a frame may be left with at count 0: none, a table that is validated no more, or one that needs no
/// validation.
bool is_residue(u64 type_info) {
  const u64 type = type_info & PGT_type_mask;
  if (type == PGT_writable_page || type == PGT_seg_desc_page) return type_info == (type | PGT_validated);
  return type_info == type && type != PGT_shared_page;
}

/// Also whether caches may hold something older than memory, which a mapping taken back has left behind.
bool may_change_type(u64 before, u64 after) {
  if (((before ^ after) & ~PGT_non_coherent) == 0) return true;
  return (before & PGT_count_mask) == 0 && (after & PGT_count_mask) == 0 && is_residue(after & ~PGT_non_coherent);
}

/// Xen adds bits to the entries of a table that it validates, and never takes them back. What is no RAM is mapped
/// without a cache, and some of it only to be read.
bool may_change_entry(const machine& m, pte_t before, pte_t after) {
  const mfn_t target = pte_mfn(after);
  const bool mmio = !m.mfn_valid(target) || m.page(target).owner == owner_of(DOMID_IO);
  if (mmio) {
    before &= ~(PAGE_PWT | PAGE_PCD | PAGE_PAT | (~after & PAGE_RW));
    after &= ~(PAGE_PWT | PAGE_PCD | PAGE_PAT);
  }
  constexpr u64 added = PAGE_USER | PAGE_GUEST_KERNEL | PAGE_GLOBAL | PAGE_ACCESSED;
  return (before & ~after) == 0 && ((before ^ after) & ~added) == 0;
}

}  // namespace

transition_audit::transition_audit(machine& m) : m_(m) { m_.overhear(this); }
transition_audit::~transition_audit() { m_.overhear(nullptr); }

void transition_audit::on_event(const event& e) {
  switch (e.kind) {
    case event_kind::call_begin: return begin_call(e.value);
    case event_kind::call_end: return end_call(static_cast<s64>(e.value));
    case event_kind::continuation:
      if (!calls_.empty() && calls_.back() != HYPERVISOR_multicall) continued_ = true;
      return;
    case event_kind::entry: return begin_operation();
    case event_kind::crash: judged_ = false; return;
    case event_kind::type_info:
    case event_kind::count_info:
    case event_kind::linear_count:
    case event_kind::pte:
    case event_kind::m2p:
    case event_kind::cr3:
    case event_kind::cr3_user: note_change(e); return;
    default: return;
  }
}

void transition_audit::begin_call(u64 number) {
  calls_.push_back(number);
  if (number == HYPERVISOR_multicall) return;
  resumed_ = std::exchange(continued_, false);
  if (resumed_) return;
  judged_ = true;
  forget();
}

void transition_audit::begin_operation() {
  if (calls_.back() == HYPERVISOR_multicall) return;  // its entry is a call that begins now
  const bool maybe_begun = std::exchange(resumed_, false) && !before_.empty();
  judged_ = !maybe_begun;
  forget();
}

void transition_audit::forget() {
  before_.clear();
  descriptors_.clear();
}

void transition_audit::end_call(s64 result) {
  const u64 number = calls_.back();
  calls_.pop_back();
  if (number != HYPERVISOR_multicall && !continued_) {
    if (result < 0 && result != to_result(xen_errno::efault) && judged_) check_failed(result);
    forget();
  }
  if (!calls_.empty()) return;
  for (const auto& d : m_.domains())
    for (const auto& v : d->vcpus) look_at_tlb(*v);
}

void transition_audit::note_change(const event& e) {
  if (calls_.empty()) {
    // A domain is made or ends: its vCPUs and frames are others now.
    if (e.kind == event_kind::count_info && ((e.old ^ e.value) & PGC_allocated)) tlbs_.clear();
    return;
  }
  before_.try_emplace({e.kind, e.mfn, e.slot}, e.old);
  if (e.kind == event_kind::type_info && same_type(e.value, PGT_seg_desc_page)) descriptors_.insert(e.mfn.n);
  if (e.kind == event_kind::type_info && ((e.old ^ e.value) & PGT_pinned) && calls_.back() != HYPERVISOR_mmuext_op)
    find("I5", e.mfn, fmt::format("call {} changes the pin: {:016x} to {:016x}", calls_.back(), e.old, e.value));
}

void transition_audit::check_failed(s64 result) {
  const auto lost = [this](const auto& change) {
    return std::ranges::count(m_.lost_references, std::get<mfn_t>(change.first)) != 0;
  };
  if (std::ranges::any_of(before_, lost)) return;
  for (const auto& [where, before] : before_) check_change(where, before, result);
}

void transition_audit::check_change(const place& where, u64 before, s64 result) {
  const auto& [kind, mfn, slot] = where;
  const page_info& pg = m_.page(mfn);
  const bool was_free = kind == event_kind::count_info ? before == 0 || is_free(before) : kind == event_kind::m2p;
  if (was_free && pg.owner == owner_none) return;
  switch (kind) {
    case event_kind::count_info:
      if (before != pg.count_info)
        find("I13", mfn, fmt::format("{}, but count {:016x} was {:016x}", result, pg.count_info, before));
      return;
    case event_kind::type_info:
      if (before != pg.type_info && !may_change_type(before, pg.type_info))
        find("I13", mfn, fmt::format("{}, but type {:016x} was {:016x}", result, pg.type_info, before));
      return;
    case event_kind::pte:
      if (descriptors_.contains(mfn.n)) return;  // Xen mends what a guest's descriptors may not be
      if (const pte_t now = m_.words(mfn)[slot]; !may_change_entry(m_, before, now))
        find("I13", mfn, fmt::format("{}, but slot {} is {:016x} and was {:016x}", result, slot, now, before));
      return;
    case event_kind::linear_count:
      if (pg.type_count() > 0 && static_cast<u16>(pg.linear_pt_count()) != before)
        find("I13", mfn, fmt::format("{}, but linear count {} was {}", result, pg.linear_pt_count(), s16(before)));
      return;
    default: return find("I13", mfn, fmt::format("{}, but a root or the m2p was changed", result));
  }
}

void transition_audit::look_at_tlb(const vcpu& v) {
  const domain& d = *v.dom;
  possible_tlb& tlb = tlbs_[{d.domid, v.id}];
  if (tlb.flushed != v.tlbflush_time) tlb.writable.clear();
  tlb.flushed = v.tlbflush_time;
  for (auto mfn = tlb.writable.begin(); mfn != tlb.writable.end();) {
    const page_info& pg = m_.page({*mfn});
    if (pg.owner == d.owner() && is_protected(pg))
      find("I8", {*mfn}, fmt::format("d{}v{} may still write to it, type {:016x}", d.domid, v.id, pg.type_info));
    mfn = pg.owner == d.owner() && !is_protected(pg) ? std::next(mfn) : tlb.writable.erase(mfn);
  }
  if (v.guest_table.n == 0) return;  // it has never run, whatever user table it was given
  walked_.clear();
  for (const mfn_t root : {v.guest_table, v.guest_table_user})
    if (root.n != 0) read_writable(d, root, 4, tlb);
}

void transition_audit::read_writable(const domain& d, mfn_t table, unsigned level, possible_tlb& tlb) {
  if (!walked_.insert(table.n * 8 + level).second) return;
  for (unsigned slot = 0; slot < entries_per_table; ++slot) {
    if (level == 4 && !is_guest_l4_slot(slot)) continue;
    const pte_t entry = m_.words(table)[slot];
    const mfn_t target = pte_mfn(entry);
    if (!present(entry) || !(entry & PAGE_RW) || !m_.mfn_valid(target)) continue;
    if (level > 1) {
      read_writable(d, target, level - 1, tlb);
    } else if (m_.page(target).owner == d.owner()) {
      tlb.writable.insert(target.n);
    }
  }
}

void transition_audit::find(const char* invariant, mfn_t mfn, std::string text) {
  findings_.push_back({invariant, mfn, std::move(text)});
}

}  // namespace pvmmu::xen
