#include "tools/why/frame_account.h"

#include "tools/command.h"

namespace pvmmu::tools {
namespace {

constexpr std::size_t addresses_shown = 3;

}  // namespace

// ---- what adds up

s64 balance::general_off() const { return static_cast<s64>(count - seen.general - share.general); }

s64 balance::typed_off() const {
  const u64 own = type_info >> 61;
  const u64 unseen = xen::same_type(share.type, type_info) ? share.typed : 0;
  return static_cast<s64>(type_count - seen.typed.at(own) - unseen);
}

u64 balance::foreign_types() const {
  u64 n = 0;
  for (u64 type = 0; type < seen.typed.size(); ++type) n += type == type_info >> 61 ? 0 : seen.typed[type];
  return n;
}

balance balance_of(const xen::page_info& pg, const xen::reference_sum& seen, const unseen_references& share) {
  return {
      .count = pg.ref_count(), .type_count = pg.type_count(), .seen = seen, .share = share, .type_info = pg.type_info};
}

xens_share::xens_share(timeline& t) {
  t.go_to(0);
  std::vector<xen::audit_finding> findings;
  const xen::recount seen(t.machine(), findings);
  for (const auto& [mfn, others] : seen.sums()) {
    const xen::page_info& pg = t.machine().page(mfn);
    const balance b = balance_of(pg, seen.sum_of(mfn), {});
    if (b.general_off() <= 0 && b.typed_off() <= 0) continue;
    share_[mfn] = {static_cast<u64>(b.general_off()), static_cast<u64>(b.typed_off()),
                   pg.type_info & xen::PGT_type_mask};
  }
}

unseen_references xens_share::of(mfn_t mfn) const {
  const auto found = share_.find(mfn);
  return found == share_.end() ? unseen_references{} : found->second;
}

// ---- one frame

std::string owner_text(xen::machine& m, mfn_t mfn) {
  const xen::domain* const owner = m.page_owner(m.page(mfn));
  if (!owner) return "nobody";
  if (owner == &m.dom_io()) return "dom_io";
  if (owner == &m.dom_xen()) return "Xen";
  return fmt::format("d{}", owner->domid);
}

frame_account account_for(timeline& t, const xens_share& share, mfn_t mfn, u64 step) {
  t.go_to(step);
  xen::machine& m = t.machine();
  if (!m.mfn_valid(mfn))
    throw input_error(fmt::format("mfn {:#x}: the machine has frames below {:#x}", mfn.n, m.config().frames));
  frame_account account{.step = step, .mfn = mfn, .record = m.page(mfn), .owner = owner_text(m, mfn)};
  const xen::reference_index index(m);
  const std::vector<xen::holder> holders = index.holders_of(mfn);
  xen::reference_sum seen;
  for (const xen::holder& h : holders) {
    seen.add(h);
    held_by held{.holder = h};
    if (h.kind == xen::holder_kind::table_entry) {
      held.addresses = index.addresses_of(h.table, h.slot, addresses_shown + 1);
      held.more_addresses = held.addresses.size() > addresses_shown;
      if (held.more_addresses) held.addresses.pop_back();
    }
    account.holders.push_back(std::move(held));
  }
  account.sum = balance_of(account.record, seen, share.of(mfn));
  const std::vector<origin> origins = find_origins(t, mfn, holders, step);
  for (std::size_t i = 0; i < origins.size(); ++i) account.holders[i].made = origins[i];
  return account;
}

}  // namespace pvmmu::tools
