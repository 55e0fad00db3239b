#include "tools/report/changes_text.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "hypervisor-model/machine/page_info.h"

namespace pvmmu::tools {

namespace {

/// The values that one field of one frame went through.
struct history {
  u64 first = 0;
  u64 lowest = 0;
  u64 last = 0;
  bool any = false;

  void add(u64 from, u64 to) {
    if (!any) first = lowest = from;
    any = true;
    lowest = std::min(lowest, to);
    last = to;
  }
  bool dipped() const { return lowest < first && lowest < last; }
  bool changed() const { return any && (first != last || dipped()); }
  std::string text() const {
    return dipped() ? fmt::format("{}→{}→{}", first, lowest, last) : fmt::format("{}→{}", first, last);
  }
};

struct frame_changes {
  mfn_t mfn{};
  history type_count{}, count{}, linear{};
  u64 first_type = 0, last_type = 0;    // type_info
  u64 first_count = 0, last_count = 0;  // count_info
  bool typed = false, counted = false;
  bool was_partial = false;

  void add_type(u64 from, u64 to) {
    if (!typed) first_type = from;
    typed = true;
    last_type = to;
    was_partial = was_partial || (to & xen::PGT_partial) != 0;
    type_count.add(from & xen::PGT_count_mask, to & xen::PGT_count_mask);
  }
  void add_count(u64 from, u64 to) {
    if (!counted) first_count = from;
    counted = true;
    last_count = to;
    count.add(from & xen::PGC_count_mask, to & xen::PGC_count_mask);
  }

  std::string text() const {
    std::string t;
    if (typed && !xen::same_type(first_type, last_type))
      t += fmt::format("  type {}→{}", frame_type_name(first_type), frame_type_name(last_type));
    else if (typed)
      t += fmt::format(" {}", frame_type_name(last_type));
    const std::size_t label = t.size();
    if (type_count.changed()) t += "  type count " + type_count.text();
    if (count.changed()) t += "  count " + count.text();
    if (linear.changed()) t += "  linear count " + linear.text();
    if (typed) t += bit(xen::PGT_pinned, "pinned") + bit(xen::PGT_partial, "partially validated");
    if (was_partial && ((first_type | last_type) & xen::PGT_partial) == 0) t += "  partially validated in between";
    if (counted && ((first_count ^ last_count) & xen::PGC_allocated) != 0)
      t += (last_count & xen::PGC_allocated) != 0 ? "  allocated" : "  freed";
    const bool says_something = t.size() != label || (typed && !xen::same_type(first_type, last_type));
    return says_something ? t : "";
  }

 private:
  std::string bit(u64 mask, std::string_view name) const {
    if (((first_type ^ last_type) & mask) == 0) return "";
    return fmt::format("  {} {}", name, (last_type & mask) != 0 ? "set" : "cleared");
  }
};

std::string vcpus_text(u64 vcpus) {
  std::string text;
  for (unsigned i = 0; i < 64; ++i)
    if ((vcpus >> i & 1) != 0) text += fmt::format("{}{}", text.empty() ? "" : ", ", i);
  return fmt::format("{} {}", text.find(',') == std::string::npos ? "vCPU" : "vCPUs", text);
}

std::string flush_text(const owned_event& e) {
  static constexpr std::array reasons{"as the guest asked",
                                      "by Xen: entries of L2-L4 tables changed",
                                      "by Xen: a frame changes its type",
                                      "by Xen: a new base pointer",
                                      "by Xen: grants were unmapped",
                                      "by Xen: a frame gets a new owner"};
  const std::string what = e.slot == 1 ? fmt::format(" of {:#x}", e.mfn.n << PAGE_SHIFT) : "";
  return fmt::format("TLB flush{} on {}, {}", what, vcpus_text(e.value), reasons.at(e.old));
}

/// A change of a page-table entry. The processor's own marks are told apart: nobody asked for them.
std::string entry_text(const owned_event& e, const frame_names& names) {
  const std::string where = fmt::format("{}[{}]", frame_text(e.mfn, names), e.slot);
  const u64 changed = e.old ^ e.value;
  if (set_by_processor(e))
    return fmt::format("{}  {} by the processor", where,
                       changed == PAGE_ACCESSED ? "A set"
                       : changed == PAGE_DIRTY  ? "D set"
                                                : "A and D set");
  if (changed == 0) return fmt::format("{}  stays {}", where, pte_text(e.value, names));
  return fmt::format("{}  {} → {}", where, pte_text(e.old, names), pte_text(e.value, names));
}

std::string work_text(const owned_event& e, const frame_names& names) {
  const bool up = e.kind == event_kind::validated;
  return fmt::format("{} {} as L{}: {}", up ? "validated" : "devalidated", frame_text(e.mfn, names), e.slot,
                     count_text(e.value, "entry"));
}

std::string root_text(u64 mfn) { return mfn == 0 ? "none" : fmt::format("mfn {:#x}", mfn); }

/// Everything but the counts and types of frames, which are summed up.
text_line single_event(const owned_event& e, const frame_names& names, unsigned indent) {
  switch (e.kind) {
    case event_kind::pte: return {line_role::change, indent, entry_text(e, names)};
    case event_kind::m2p:
      return {line_role::change, indent, fmt::format("{}  m2p {:#x}→{:#x}", frame_text(e.mfn, names), e.old, e.value)};
    case event_kind::validated:
    case event_kind::devalidated: return {line_role::work, indent, work_text(e, names)};
    case event_kind::flush: return {line_role::flush, indent, flush_text(e)};
    case event_kind::cr3:
    case event_kind::cr3_user:
      return {line_role::change, indent,
              fmt::format("vCPU {}  {} {}→{}", e.slot, e.kind == event_kind::cr3 ? "cr3" : "user cr3", root_text(e.old),
                          root_text(e.value))};
    case event_kind::guest_fault:
      return {line_role::work, indent, fmt::format("#PF at {:#x}, error code {:#x}", e.value, e.old)};
    case event_kind::crash: return {line_role::failed, indent, fmt::format("Xen crashed domain {}", e.slot)};
    case event_kind::message: return {line_role::message, indent, e.text};
    default: return {};
  }
}

bool is_of_frame(event_kind kind) {
  return kind == event_kind::count_info || kind == event_kind::type_info || kind == event_kind::linear_count;
}

}  // namespace

std::string_view frame_type_name(u64 type_info) {
  static constexpr std::array<std::string_view, 8> names{"none", "L1",       "L2",     "L3",
                                                         "L4",   "seg_desc", "shared", "writable"};
  return names.at(type_info >> 61);
}

bool set_by_processor(const owned_event& e) {
  const u64 changed = e.old ^ e.value;
  return e.kind == event_kind::pte && present(e.old) && changed != 0 && (e.old & changed) == 0 &&
         (changed & ~(PAGE_ACCESSED | PAGE_DIRTY)) == 0;
}

bool is_silent(const act& a) {
  return !a.is_call() && !a.caller.empty() && !a.outcome.fault && !a.crashed &&
         std::ranges::all_of(a.events, set_by_processor);
}

std::vector<text_block> changes_text(const std::vector<const owned_event*>& events, const frame_names& names,
                                     unsigned indent, const std::optional<shown_entry>& shown) {
  std::vector<frame_changes> frames;
  std::map<u64, std::size_t> index;  // mfn → place in `frames`
  std::vector<std::variant<std::size_t, text_line>> in_order;
  for (const owned_event* e : events) {
    if (is_of_frame(e->kind)) {
      const auto [at, is_new] = index.try_emplace(e->mfn.n, frames.size());
      if (is_new) {
        frames.push_back({.mfn = e->mfn});
        in_order.emplace_back(at->second);
      }
      frame_changes& f = frames[at->second];
      if (e->kind == event_kind::count_info) f.add_count(e->old, e->value);
      if (e->kind == event_kind::type_info) f.add_type(e->old, e->value);
      if (e->kind == event_kind::linear_count) f.linear.add(e->old, e->value);
    } else if (e->kind != event_kind::emulated &&
               !(e->kind == event_kind::pte && shown && shown->table == e->mfn && shown->slot == e->slot)) {
      in_order.emplace_back(single_event(*e, names, indent));
    }
  }
  std::vector<text_block> blocks;
  for (const auto& item : in_order) {
    if (const auto* line = std::get_if<text_line>(&item)) {
      blocks.push_back({*line});
      continue;
    }
    const frame_changes& f = frames[std::get<std::size_t>(item)];
    if (const std::string text = f.text(); !text.empty())
      blocks.push_back({{line_role::change, indent, frame_text(f.mfn, names) + text}});
  }
  return blocks;
}

}  // namespace pvmmu::tools
