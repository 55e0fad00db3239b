#include "tools/why/origins.h"

#include <algorithm>
#include <tuple>

#include "hypervisor-model/audit_holders.h"

namespace pvmmu::tools {
namespace {

using xen::holder;
using xen::holder_kind;

bool sets(const owned_event& e, u64 bit) { return (e.old & bit) == 0 && (e.value & bit) != 0; }

/// What an entry's reference depends on.
constexpr u64 reference_bits = PAGE_PRESENT | PAGE_RW | PTE_ADDR_MASK;

/// Whether an entry came to hold another reference than before.
bool takes_reference(const owned_event& e) { return present(e.value) && ((e.old ^ e.value) & reference_bits) != 0; }

/// Whether the entry was dropped that held the frame until then, or the root or the pin.
bool drops_table(const owned_event& e, mfn_t mfn) {
  switch (e.kind) {
    case event_kind::pte: return present(e.old) && pte_mfn(e.old) == mfn && ((e.old ^ e.value) & reference_bits) != 0;
    case event_kind::cr3:
    case event_kind::cr3_user: return e.old == mfn.n;
    case event_kind::type_info: return e.mfn == mfn && (e.old & ~e.value & xen::PGT_pinned) != 0;
    default: return false;
  }
}

bool makes_entry(const owned_event& e, const holder& h) {
  if (e.mfn != h.table) return false;
  if (e.kind == event_kind::validated) return true;
  return e.kind == event_kind::pte && e.slot == h.slot && takes_reference(e);
}

/// Whether `e` gave `h` what it holds of `mfn`.
bool makes(const owned_event& e, const act& a, const holder& h, mfn_t mfn) {
  const bool own_type = e.kind == event_kind::type_info && e.mfn == mfn;
  const bool own_count = e.kind == event_kind::count_info && e.mfn == mfn;
  const bool own_vcpu = e.slot == h.vcpu && (a.domid == h.domid || !a.is_call()) && e.value == mfn.n;
  switch (h.kind) {
    case holder_kind::allocation:
      return own_count && (e.value & xen::PGC_allocated) && !xen::is_free(e.value) &&
             (!(e.old & xen::PGC_allocated) || xen::is_free(e.old));
    case holder_kind::pin: return own_type && sets(e, xen::PGT_pinned);
    case holder_kind::partial: return own_type && sets(e, xen::PGT_partial);
    case holder_kind::shared_by_xen: return own_count && sets(e, xen::PGC_xen_heap);
    case holder_kind::table_entry: return makes_entry(e, h);
    case holder_kind::kernel_root: return e.kind == event_kind::cr3 && own_vcpu;
    case holder_kind::user_root: return e.kind == event_kind::cr3_user && own_vcpu;
    case holder_kind::gdt:
    case holder_kind::ldt:
      return own_type && xen::same_type(e.value, xen::PGT_seg_desc_page) && (e.value & xen::PGT_count_mask) != 0 &&
             (!xen::same_type(e.old, e.value) || e.value > e.old);
    case holder_kind::old_guest_table: return drops_table(e, mfn);
    case holder_kind::device_grant: return own_count && e.value > e.old && act_name(a) == "grant_table_op";
    case holder_kind::lost: return false;
  }
  return false;
}

bool same_holder(const holder& a, const holder& b) {
  const auto key = [](const holder& h) {
    return std::tuple(h.kind, h.type, h.domid, h.vcpu, h.table, h.slot, h.granter, h.handle);
  };
  return key(a) == key(b);
}

/// How a domain is built nobody hears: what holds its frames behind that was made by it.
void take_built(timeline& t, mfn_t mfn, std::span<const holder> holders, std::vector<origin>& found) {
  xen::machine& m = t.machine();
  const xen::domain* const owner = m.page_owner(m.page(mfn));
  if (!owner || owner->domid != t.step().piece.domid()) return;
  const std::vector<holder> built = xen::holders_of(m, mfn);
  for (std::size_t i = 0; i < holders.size(); ++i)
    if (std::ranges::any_of(built, [&](const holder& h) { return same_holder(h, holders[i]); }))
      found[i] = origin_of(t.step());
}

}  // namespace

origin origin_of(const timeline_step& step) {
  std::string call(act_name(step.act));
  if (call.empty()) {
    const recording::piece& piece = step.piece;
    call = piece.has_create_domain() ? "create_domain" : piece.has_destroy_domain() ? "destroy_domain" : "access";
  }
  return {step.number, step.act.caller, std::move(call)};
}

std::vector<origin> find_origins(timeline& t, mfn_t mfn, std::span<const xen::holder> holders, u64 last) {
  std::vector<origin> found(holders.size());
  t.go_to(0);
  for (u64 n = last == 0 ? 0 : t.next(0); n != 0; n = n == last ? 0 : t.next(n)) {
    t.go_to(n);
    if (t.step().piece.has_create_domain()) take_built(t, mfn, holders, found);
    const act& a = t.step().act;
    for (const owned_event& e : a.events) {
      for (std::size_t i = 0; i < holders.size(); ++i) {
        if (!makes(e, a, holders[i], mfn)) continue;
        const bool with_table = e.kind == event_kind::validated;
        if (with_table && found[i].step == n && !found[i].validated) continue;  // written by this very step
        found[i] = origin_of(t.step());
        found[i].validated = with_table;
      }
    }
  }
  return found;
}

std::string origin_text(const origin& o) {
  if (o.step == 0) return "before the recording";
  return fmt::format("step {}, {}{}{}{}", o.step, o.caller, o.caller.empty() ? "" : ": ", o.call,
                     o.validated ? ", with its table" : "");
}

}  // namespace pvmmu::tools
