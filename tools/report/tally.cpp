#include "tools/report/tally.h"

#include <fmt/format.h>

#include <algorithm>

#include "hypervisor-model/machine/page_info.h"
#include "tools/report/fold.h"

namespace pvmmu::tools {

namespace {

u64 updates_of(const hypercall& call) {
  if (const auto* c = std::get_if<mmu_update_call>(&call)) return c->ureqs.entries.size();
  if (std::holds_alternative<update_va_mapping_call>(call)) return 1;
  u64 n = 0;
  if (const auto* m = std::get_if<multicall_call>(&call))
    for (const multicall_entry& e : m->call_list) n += updates_of(e.call);
  return n;
}

}  // namespace

void tally_taker::add(const step_log& step) {
  for (const auto& entry : step.entries) {
    if (const act* a = std::get_if<act>(&entry))
      add(*a);
    else if (const linux_line* l = std::get_if<linux_line>(&entry))
      sum_.linux_messages.push_back(l->text);
  }
}

void tally_taker::add(const act& a) {
  sum_.hypercalls += a.is_call();
  sum_.traps += a.is_trap();
  if (a.is_call()) {
    const auto* m = std::get_if<multicall_call>(&a.call->call());
    const auto errors = [](const auto& entries) {
      return std::ranges::count_if(entries, [](const multicall_entry& e) { return e.result < 0; });
    };
    sum_.failed_calls += (a.result < 0) + (m ? static_cast<u64>(errors(m->call_list)) : 0);
    sum_.updates += updates_of(a.call->call());
    if (m) sum_.multicall_entries += m->call_list.size();
  }
  for (const owned_event& e : a.events) add(e);
}

void tally_taker::add(const owned_event& e) {
  switch (e.kind) {
    case event_kind::validated:
      sum_.validated += e.value;
      if (tables_[e.mfn.n].taken_down) sum_.validated_again += e.value;
      break;
    case event_kind::devalidated:
      sum_.devalidated += e.value;
      tables_[e.mfn.n].taken_down = true;
      break;
    case event_kind::type_info: {
      const u64 from = e.old & xen::PGT_count_mask;
      const auto [at, is_new] = tables_.try_emplace(e.mfn.n, table{e.old, e.value, from, false});
      table& t = at->second;
      t.last_type = e.value;
      t.lowest_count = std::min(t.lowest_count, e.value & xen::PGT_count_mask);
      // Used for something else in between, it comes back as a new table.
      if (xen::table_level(e.value) == 0 && (e.value & xen::PGT_type_mask) != 0) t.taken_down = false;
      break;
    }
    case event_kind::flush:
      ++(e.old == static_cast<u64>(flush_reason::guest) ? sum_.guest_flushes : sum_.xen_flushes);
      break;
    case event_kind::continuation: ++sum_.continuations; break;
    case event_kind::message: sum_.xen_messages.push_back(e.text); break;
    default: break;
  }
}

tally tally_taker::result() const {
  tally t = sum_;
  const auto is_l1 = [](u64 type_info) {
    return xen::table_level(type_info) == 1 && (type_info & xen::PGT_count_mask) != 0;
  };
  for (const auto& [mfn, seen] : tables_)
    if (is_l1(seen.first_type) && is_l1(seen.last_type))
      t.lowest_l1_type_count = std::min(t.lowest_l1_type_count.value_or(~u64{0}), seen.lowest_count);
  return t;
}

tally tally_of(const step_log& step) {
  tally_taker taker;
  taker.add(step);
  return taker.result();
}

std::string tally_text(const tally& t) {
  std::vector<std::string> parts;
  const auto add = [&](u64 n, const std::string& what) {
    if (n != 0) parts.push_back(count_text(n, what));
  };
  add(t.hypercalls, "hypercall");
  add(t.multicall_entries, "multicall entry");
  add(t.traps, "trap");
  if (t.devalidated != 0) parts.push_back(count_text(t.devalidated, "entry") + " devalidated");
  if (t.validated != 0) {
    const std::string again = t.validated_again == 0 ? "" : fmt::format(" ({} of them again)", t.validated_again);
    parts.push_back(count_text(t.validated, "entry") + " validated" + again);
  }
  if (t.guest_flushes != 0) parts.push_back(count_text(t.guest_flushes, "flush") + " by the guest");
  if (t.xen_flushes != 0) parts.push_back(count_text(t.xen_flushes, "flush") + " by Xen");
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace pvmmu::tools
