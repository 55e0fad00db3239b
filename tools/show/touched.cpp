#include "tools/show/touched.h"

#include <algorithm>
#include <map>
#include <set>

#include "tools/report/call_sequence.h"

namespace pvmmu::tools {

namespace {

/// Frames that an entry of `level` 1 to 4, or of a table of unknown level, refers to.
void add_target(std::vector<u64>& frames, pte_t entry) {
  if (present(entry)) frames.push_back(pte_mfn(entry).n);
}

void add_event(std::vector<u64>& frames, const owned_event& e) {
  switch (e.kind) {
    case event_kind::pte:
    case event_kind::emulated:
      add_target(frames, e.old);
      add_target(frames, e.value);
      [[fallthrough]];
    case event_kind::count_info:
    case event_kind::type_info:
    case event_kind::linear_count:
    case event_kind::m2p:
    case event_kind::validated:
    case event_kind::devalidated: frames.push_back(e.mfn.n); break;
    case event_kind::cr3:
    case event_kind::cr3_user:
      for (const u64 mfn : {e.old, e.value})
        if (mfn != 0) frames.push_back(mfn);
      break;
    default: break;
  }
}

void add_named(std::vector<u64>& frames, const mmuext_op_t& op) {
  switch (op.cmd) {
    case MMUEXT_COPY_PAGE: frames.push_back(op.arg2); [[fallthrough]];
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
    case MMUEXT_UNPIN_TABLE:
    case MMUEXT_NEW_BASEPTR:
    case MMUEXT_NEW_USER_BASEPTR:
    case MMUEXT_CLEAR_PAGE: frames.push_back(op.arg1); break;
    default: break;
  }
}

void add_named(std::vector<u64>& frames, const hypercall& call) {
  if (const auto* c = std::get_if<mmu_update_call>(&call)) {
    for (const mmu_update_t& u : c->ureqs.entries) {
      frames.push_back(maddr_to_mfn({u.ptr}).n);
      if ((u.ptr & (sizeof(pte_t) - 1)) != MMU_MACHPHYS_UPDATE) add_target(frames, u.val);
    }
  } else if (const auto* x = std::get_if<mmuext_op_call>(&call)) {
    for (const mmuext_op_t& op : x->uops.entries) add_named(frames, op);
  } else if (const auto* u = std::get_if<update_va_mapping_call>(&call)) {
    add_target(frames, u->val);
  } else if (const auto* o = std::get_if<update_va_mapping_otherdomain_call>(&call)) {
    add_target(frames, o->update.val);
  } else if (const auto* g = std::get_if<set_gdt_call>(&call)) {
    frames.insert(frames.end(), g->frame_list.entries.begin(), g->frame_list.entries.end());
  } else if (const auto* m = std::get_if<multicall_call>(&call)) {
    for (const multicall_entry& e : m->call_list) add_named(frames, e.call);
  }
}

/// The tables as they are, or as they were before some changes.
class table_reader {
 public:
  table_reader(const xen::machine& m, const act* undone) : machine_(m) {
    if (!undone) return;
    for (const owned_event& e : undone->events)
      if (e.kind == event_kind::pte) before_.try_emplace({e.mfn.n, e.slot}, e.old);
  }
  pte_t entry(mfn_t table, unsigned slot) const {
    const auto changed = before_.find({table.n, slot});
    return changed == before_.end() ? machine_.words(table)[slot] : changed->second;
  }

 private:
  const xen::machine& machine_;
  std::map<std::pair<u64, unsigned>, pte_t> before_;
};

using entry_set = std::set<std::pair<u64, unsigned>>;  // table, slot

void add_walk(entry_set& to, const xen::machine& m, const table_reader& tables, mfn_t root, u64 va) {
  mfn_t table = root;
  for (unsigned level = 4; level >= 1 && m.mfn_valid(table); --level) {
    const unsigned slot = table_slot(va, level);
    to.emplace(table.n, slot);
    const pte_t e = tables.entry(table, slot);
    if (!present(e) || (level < 4 && (e & PAGE_PSE) != 0)) return;
    table = pte_mfn(e);
  }
}

/// The L4s behind `a`, and those that were one before it.
std::vector<mfn_t> address_spaces(const xen::machine& m, const act& a) {
  std::vector<mfn_t> roots;
  const auto is_l4 = [](u64 type_info) {
    return xen::table_level(type_info) == 4 && (type_info & xen::PGT_count_mask) != 0;
  };
  for (mfn_t mfn{}; mfn.n < m.config().frames; ++mfn)
    if (is_l4(m.page(mfn).type_info)) roots.push_back(mfn);
  for (const owned_event& e : a.events)
    if (e.kind == event_kind::type_info && is_l4(e.old)) roots.push_back(e.mfn);
  return roots;
}

}  // namespace

std::vector<u64> touched_frames(const act& a) {
  std::vector<u64> frames;
  for (const owned_event& e : a.events) add_event(frames, e);
  if (a.is_call()) add_named(frames, a.call->call());
  std::ranges::sort(frames);
  frames.erase(std::ranges::unique(frames).begin(), frames.end());
  return frames;
}

std::vector<const owned_event*> events_of_frame(const act& a, mfn_t mfn) {
  std::vector<const owned_event*> events;
  for (const owned_event& e : a.events) {
    std::vector<u64> frames;
    add_event(frames, e);
    if (std::ranges::find(frames, mfn.n) != frames.end()) events.push_back(&e);
  }
  return events;
}

std::vector<const owned_event*> events_on_walk(const xen::machine& m, const act& a, u64 va,
                                               const std::optional<mfn_t>& cr3) {
  std::vector<const owned_event*> changes;
  for (const owned_event& e : a.events) {
    const auto leads_there = [&](unsigned level) { return e.slot == table_slot(va, level); };
    if (e.kind == event_kind::pte && (leads_there(1) || leads_there(2) || leads_there(3) || leads_there(4)))
      changes.push_back(&e);
  }
  if (changes.empty()) return changes;
  entry_set on_walk;
  const table_reader now(m, nullptr), before(m, &a);
  for (const mfn_t root : cr3 ? std::vector{*cr3} : address_spaces(m, a)) {
    add_walk(on_walk, m, now, root, va);
    add_walk(on_walk, m, before, root, va);
  }
  std::erase_if(changes, [&](const owned_event* e) { return !on_walk.contains({e->mfn.n, e->slot}); });
  return changes;
}

}  // namespace pvmmu::tools
