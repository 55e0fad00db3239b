#include "tools/why/refusal_text.h"

#include <boost/json/array.hpp>

#include "tools/report/act_text.h"
#include "tools/report/wrap.h"
#include "tools/why/account_text.h"

namespace pvmmu::tools {
namespace {

namespace json = boost::json;

constexpr unsigned label_indent = 2, text_indent = 13;  // columns
constexpr std::size_t holders_shown = 8;

std::string entry_text(const mmu_update_t& u) {
  const auto cmd = static_cast<u32>(u.ptr & (sizeof(pte_t) - 1));
  const mfn_t mfn = maddr_to_mfn({u.ptr});
  if (cmd == MMU_MACHPHYS_UPDATE) return fmt::format("m2p of mfn {:#x} to {:#x}", mfn.n, u.val);
  return fmt::format("mfn {:#x}[{}] → {}", mfn.n, (u.ptr & PAGE_OFFSET_MASK) / sizeof(pte_t), pte_text(u.val, {}));
}

std::string entry_text(const mmuext_op_t& op) {
  const std::string_view name = mmuext_cmd_name(op.cmd);
  return fmt::format("{} {:#x}", name.empty() ? fmt::format("command {}", op.cmd) : std::string(name), op.arg1);
}

std::string entry_text(const gnttab_map_grant_ref_t& op) {
  return fmt::format("grant {} of d{} at {:#x}", op.ref, op.dom, op.host_addr);
}

std::string entry_text(const gnttab_unmap_grant_ref_t& op) {
  return fmt::format("handle {} at {:#x}", op.handle, op.host_addr);
}

template <class List>
std::string listed(const List& entries, std::optional<u32> index) {
  if (!index || *index >= entries.size()) return "";
  return fmt::format(" entry {}: {}", *index, entry_text(entries[*index]));
}

/// "mmu_update entry 3: mfn 0x240[7] → …"
std::string operation_text(const hypercall& call, std::span<const u32> path) {
  const std::optional<u32> index = path.empty() ? std::nullopt : std::optional(path.front());
  std::string text(hypercall_name(call));
  if (const auto* m = std::get_if<multicall_call>(&call)) {
    if (!index || *index >= m->call_list.size()) return text;
    return fmt::format("{} entry {}: {}", text, *index, operation_text(m->call_list[*index].call, path.subspan(1)));
  }
  if (const auto* u = std::get_if<mmu_update_call>(&call)) return text + listed(u->ureqs.entries, index);
  if (const auto* x = std::get_if<mmuext_op_call>(&call)) return text + listed(x->uops.entries, index);
  if (const auto* g = std::get_if<grant_table_op_call>(&call)) {
    text += " " + std::string(gnttab_cmd_name(g->cmd()));
    if (const auto* maps = std::get_if<std::span<gnttab_map_grant_ref_t>>(&g->uop)) return text + listed(*maps, index);
    const auto* unmaps = std::get_if<std::span<gnttab_unmap_grant_ref_t>>(&g->uop);
    return unmaps ? text + listed(*unmaps, index) : text;
  }
  if (const auto* v = std::get_if<update_va_mapping_call>(&call))
    return fmt::format("{}: va {:#x} → {}", text, v->va, pte_text(v->val, {}));
  return text;
}

std::string operation_text(const act& a, const refused_operation& r) {
  if (a.is_call()) return operation_text(a.call->call(), r.path);
  return fmt::format("a store of {} to va {:#x}", pte_text(a.access.value, {}), a.access.va);
}

std::string ending_text(const refused_operation& r) {
  if (r.crashed) return ", and its domain was crashed";
  if (r.grant_status) return fmt::format(" with {}", grant_status_name(static_cast<s16>(r.result)));
  return r.result < 0 ? " with " + result_text(r.result) : "";
}

void add(text_block& lines, const std::string& label, const std::string& text, line_role role = line_role::plain) {
  lines.push_back({role, label_indent, fmt::format("{:<{}}{}", label, text_indent - label_indent, text)});
}

/// Running text, in lines of a page's width.
void add_wrapped(text_block& lines, const std::string& label, std::string_view text) {
  bool first = true;
  for (const std::string& line : wrap(std::string(text), page_width - text_indent))
    add(lines, std::exchange(first, false) ? label : "", line);
}

/// The entry that was refused, and the tables that were to be validated for its sake.
void add_way(text_block& lines, const refused_operation& r) {
  bool first = true;
  for (const refused_entry& e : r.way) {
    const std::string entry = fmt::format("L{} mfn {:#x}[{}] = {}", e.level, e.table.n, e.slot, pte_text(e.value, {}));
    add(lines, first ? "entry" : "", first ? entry : "which " + entry + " leads to");
    first = false;
  }
}

/// Xen holds what it looks at.
void add_passing(text_block& lines, const frame_at_fault& frame) {
  std::vector<std::string> parts;
  if (frame.passing_typed != 0) parts.push_back(fmt::format("{} of its type count", frame.passing_typed));
  if (frame.passing != 0) parts.push_back(fmt::format("{} of its count", frame.passing));
  if (parts.empty()) return;
  add(lines, "", fmt::format("  {}: Xen's own, only while it decides", fmt::join(parts, ", ")));
}

void add_state(text_block& lines, const refused_operation& r) {
  if (!r.frame) return;
  add(lines, "state", fmt::format("mfn {:#x}: {}", r.frame->mfn.n, record_text(r.frame->record, r.frame->owner)));
  add_passing(lines, *r.frame);
  std::size_t shown = 0;
  for (const held_by& held : r.frame->holders) {
    if (shown++ == holders_shown) {
      add(lines, "", fmt::format("  … and {} more", r.frame->holders.size() - holders_shown));
      break;
    }
    add(lines, "",
        fmt::format("  as {} by {}; since {}", type_text(held.holder.type), holder_text(held.holder, r.frame->owner),
                    origin_text(held.made)));
  }
}

}  // namespace

text_block refusal_text(const timeline_step& step, const std::vector<refused_operation>& refused) {
  text_block lines{{line_role::heading, 0, origin_text(origin_of(step))}};
  for (const refused_operation& r : refused) {
    add(lines, "refused", operation_text(step.act, r) + ending_text(r), line_role::failed);
    add_way(lines, r);
    add_wrapped(lines, "rule", r.rule.rule);
    add_state(lines, r);
    if (!r.rule.accepted.empty()) add_wrapped(lines, "accepted", r.rule.accepted);
    if (!r.where.empty()) add(lines, "Xen", fmt::format("4.17 {}: \"{}\"", r.where, r.words.front()));
  }
  for (const owned_event& e : step.act.events)
    if (e.kind == event_kind::message) add(lines, "printed", e.text, line_role::message);
  for (const wire::note& note : step.notes)
    if (note.kind() == wire::note::console_line) add(lines, "Linux", note.text(), line_role::message);
  return lines;
}

json::object refusal_json(const timeline_step& step, const std::vector<refused_operation>& refused) {
  const origin at = origin_of(step);
  json::array operations;
  for (const refused_operation& r : refused) {
    json::array way, words, holders;
    for (const refused_entry& e : r.way)
      way.push_back(json::object{{"table", fmt::format("{:#x}", e.table.n)},
                                 {"level", e.level},
                                 {"slot", e.slot},
                                 {"value", fmt::format("{:#x}", e.value)},
                                 {"decoded", pte_text(e.value, {})}});
    for (const std::string& w : r.words) words.emplace_back(w);
    json::object o{{"operation", operation_text(step.act, r)},
                   {"result", r.result},
                   {"crashed", r.crashed},
                   {"rule", r.rule.rule},
                   {"accepted", r.rule.accepted},
                   {"xen", r.where},
                   {"words", std::move(words)},
                   {"entries", std::move(way)}};
    if (r.frame) {
      for (const held_by& held : r.frame->holders)
        holders.push_back(json::object{{"holder", holder_text(held.holder, r.frame->owner)},
                                       {"type", type_text(held.holder.type)},
                                       {"since_step", held.made.step}});
      o["frame"] = json::object{{"mfn", fmt::format("{:#x}", r.frame->mfn.n)},
                                {"record", record_text(r.frame->record, r.frame->owner)},
                                {"passing", r.frame->passing},
                                {"passing_typed", r.frame->passing_typed},
                                {"holders", std::move(holders)}};
    }
    operations.push_back(std::move(o));
  }
  return {{"step", at.step}, {"caller", at.caller}, {"call", at.call}, {"refused", std::move(operations)}};
}

}  // namespace pvmmu::tools
