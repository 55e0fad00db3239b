#include "tools/show/tree_text.h"

#include <algorithm>
#include <utility>

#include "tools/entry_flags.h"
#include "tools/report/changes_text.h"

namespace pvmmu::tools {

namespace {

constexpr unsigned step_indent = 2;  // columns

std::string transition(u64 now, const std::optional<u64>& before, u64 mask) {
  return before && (*before & mask) != (now & mask) ? fmt::format("{}→{}", *before & mask, now & mask)
                                                    : fmt::format("{}", now & mask);
}

/// " pinned", or that it was before or is so since.
std::string bit_text(const tree_table& t, u64 mask, const std::string& name) {
  const bool now = (t.type_info & mask) != 0;
  const bool was = (t.type_info_before.value_or(t.type_info) & mask) != 0;
  if (now == was) return now ? "  " + name : "";
  return fmt::format("  {} {}", name, now ? "set" : "cleared");
}

bool changed(const tree_table& t) { return t.type_info_before || t.count_info_before; }

/// Type, counts and pin.
std::string state_text(const tree_table& t) {
  std::string text;
  const u64 was = t.type_info_before.value_or(t.type_info);
  if (xen::table_level(t.type_info) != t.level || !xen::same_type(was, t.type_info)) {
    text += fmt::format("  type {}", frame_type_name(t.type_info));
    if (!xen::same_type(was, t.type_info))
      text = fmt::format("  type {}→{}", frame_type_name(was), frame_type_name(t.type_info));
  }
  text += "  type count " + transition(t.type_info, t.type_info_before, xen::PGT_count_mask);
  text += "  count " + transition(t.count_info, t.count_info_before, xen::PGC_count_mask);
  text += bit_text(t, xen::PGT_pinned, "pinned") + bit_text(t, xen::PGT_partial, "partially validated");
  text += fmt::format("  {} present", count_text(t.present, "entry"));
  return t.told_above ? text + ", as above" : text;
}

/// The flags of an entry that leads to a table; before and behind, where the step changed it.
std::string link_text(const tree_entry& e, const frame_names& names) {
  if (!e.before) return flags_text(e.value & ~PTE_ADDR_MASK);
  const bool same_frame = present(*e.before) && pte_mfn(*e.before) == pte_mfn(e.value);
  const std::string old = same_frame ? flags_text(*e.before & ~PTE_ADDR_MASK) : pte_text(*e.before, names);
  return fmt::format("{} → {}", old, flags_text(e.value & ~PTE_ADDR_MASK));
}

/// Entries of consecutive slots that lead to no table and differ in their frames alone.
struct entry_run {
  const tree_entry* first;
  const tree_entry* last;
  u64 length() const { return last->slot - first->slot + 1; }
};

class tree_writer {
 public:
  explicit tree_writer(const frame_names& names) : names_(names) {}

  text_block root(const tree_root& r) const {
    std::string text = fmt::format("L4 {}{}", frame_text(r.table.mfn, names_), state_text(r.table));
    if (!r.held_by.empty()) text += fmt::format(": {}", fmt::join(r.held_by, ", "));
    text_block lines{marked(changed(r.table), line_role::heading, 0, text)};
    const text_block below = entries(r.table, step_indent);
    lines.insert(lines.end(), below.begin(), below.end());
    return lines;
  }

 private:
  /// What the step changed stands out.
  static text_line marked(bool changed, line_role role, unsigned indent, const std::string& text) {
    return changed ? text_line{line_role::change, indent, "* " + text} : text_line{role, indent, text};
  }

  text_block entries(const tree_table& t, unsigned indent) const {
    std::vector<text_block> blocks;
    for (auto at = t.entries.begin(); at != t.entries.end();) {
      if (at->below) {
        blocks.push_back(table(*at++, indent));
        continue;
      }
      const auto end = std::find_if_not(std::next(at), t.entries.end(),
                                        [&](const tree_entry& e) { return goes_on(*at, *std::prev(&e), e); });
      blocks.push_back({run({&*at, &*std::prev(end)}, indent)});
      at = end;
    }
    return fold(std::move(blocks), t.level == 1 ? "entry" : "table");
  }

  static bool goes_on(const tree_entry& first, const tree_entry& last, const tree_entry& e) {
    const auto flags = [](const tree_entry& of) { return of.value & ~PTE_ADDR_MASK; };
    return !e.below && !e.before && !first.before && e.slot == last.slot + 1 && flags(e) == flags(first);
  }

  text_block table(const tree_entry& e, unsigned indent) const {
    const tree_table& t = *e.below;
    text_block lines{marked(e.before || changed(t), t.told_above ? line_role::dim : line_role::plain, indent,
                            fmt::format("[{}] L{} {}  {:#x}-{:#x}  {}{}", e.slot, t.level, frame_text(t.mfn, names_),
                                        t.va, t.last_va(), link_text(e, names_), state_text(t)))};
    const text_block below = entries(t, indent + step_indent);
    lines.insert(lines.end(), below.begin(), below.end());
    return lines;
  }

  text_line run(const entry_run& r, unsigned indent) const {
    const tree_entry& e = *r.first;
    if (e.before)
      return marked(
          true, line_role::change, indent,
          fmt::format("[{}] {:#x}  {} → {}", e.slot, e.va, pte_text(*e.before, names_), pte_text(e.value, names_)));
    if (r.length() == 1)
      return {line_role::plain, indent, fmt::format("[{}] {:#x}  {}", e.slot, e.va, pte_text(e.value, names_))};
    return {line_role::plain, indent, fmt::format("[{}-{}] {:#x}  {}", e.slot, r.last->slot, e.va, frames_of(r))};
  }

  /// "mfn 0x240-0x43f P|RW|US|A|D"; where the frames do not lie in a row: "512 frames, mfn 0x240 and others, …".
  std::string frames_of(const entry_run& r) const {
    const pte_t first = r.first->value;
    const std::string flags = flags_text(first & ~PTE_ADDR_MASK);
    if (!present(first)) return fmt::format("{} not present, the first {:#x}", count_text(r.length(), "entry"), first);
    bool in_a_row = true;
    for (const tree_entry* e = r.first; e != r.last; ++e) in_a_row = in_a_row && (e + 1)->value - e->value == PAGE_SIZE;
    if (in_a_row) return fmt::format("mfn {:#x}-{:#x} {}", pte_mfn(first).n, pte_mfn(r.last->value).n, flags);
    return fmt::format("{}, mfn {:#x} … {:#x} {}", count_text(r.length(), "frame"), pte_mfn(first).n,
                       pte_mfn(r.last->value).n, flags);
  }

  const frame_names& names_;
};

}  // namespace

text_block tree_text(const std::vector<tree_root>& roots, const frame_names& names) {
  text_block lines;
  const tree_writer writer(names);
  for (const tree_root& r : roots) {
    const text_block block = writer.root(r);
    lines.insert(lines.end(), block.begin(), block.end());
  }
  if (lines.empty()) lines.push_back({line_role::dim, 0, "no page tables"});
  return lines;
}

}  // namespace pvmmu::tools
