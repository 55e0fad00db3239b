#include "tools/report/act_text.h"

#include <algorithm>
#include <array>
#include <utility>

#include "proto/abi/errno.h"
#include "proto/abi/pte.h"
#include "tools/entry_flags.h"
#include "tools/report/changes_text.h"

namespace pvmmu::tools {

namespace {

constexpr unsigned step_indent = 2;  // columns

std::string done_text(const done_arg& done) {
  if (done.where == done_arg::state::absent) return "";
  return done.written ? fmt::format(", done {}", done.value) : ", done not written";
}

void append(text_block& to, text_block from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

text_block joined(std::vector<text_block> blocks, const std::string& what, repetitions how) {
  if (how == repetitions::folded) return fold(std::move(blocks), what);
  text_block lines;
  for (text_block& block : blocks) append(lines, std::move(block));
  return lines;
}

/// Whether Xen left the call so that the guest makes the rest of it: it answers with the call's own number.
bool goes_on(const hypercall& call, long result) {
  const bool is_list = std::holds_alternative<mmu_update_call>(call) || std::holds_alternative<mmuext_op_call>(call) ||
                       std::holds_alternative<multicall_call>(call);
  return is_list && result > 0 && static_cast<u64>(result) == hypercall_number(call);
}

class call_writer {
 public:
  call_writer(const act& a, const frame_names& names, repetitions how) : act_(a), names_(names), how_(how) {}

  /// What stands behind the call's name: "of 3 entries = 0, done 3". The rest of a call that was preempted is a call of
  /// its own in recordings of the real thing.
  static std::string head(const hypercall& call, long result) {
    const bool preempted = goes_on(call, result);
    const auto of = [preempted](u32 count, std::size_t there) {
      const u32 claimed = count & ~MMU_UPDATE_PREEMPTED;
      const std::string rest = claimed == count ? "" : ", the rest";
      if (claimed == there) return (claimed == 1 ? std::string{} : " of " + count_text(claimed, "entry")) + rest;
      return fmt::format(" of {} ({} {}){}", count_text(claimed, "entry"), there, preempted ? "reached" : "readable",
                         rest);
    };
    std::string text(hypercall_name(call));
    std::string done;
    if (const auto* c = std::get_if<mmu_update_call>(&call)) {
      text += of(c->count, c->ureqs.entries.size()) + (c->ureqs.null ? " at NULL" : "") + foreign(c->foreigndom);
      done = done_text(c->pdone);
    } else if (const auto* x = std::get_if<mmuext_op_call>(&call)) {
      text += of(x->count, x->uops.entries.size()) + (x->uops.null ? " at NULL" : "") + foreign(x->foreigndom);
      done = done_text(x->pdone);
    } else if (const auto* m = std::get_if<multicall_call>(&call)) {
      text += of(m->nr_calls, m->call_list.size()) + (m->null ? " at NULL" : "");
    }
    return preempted ? text + ", preempted" : fmt::format("{} = {}{}", text, result_text(result), done);
  }

  /// The call's entries with what each changed, then what the call changed as a whole.
  text_block body(const hypercall& call, const event_tree& tree, unsigned indent) const {
    text_block lines;
    if (const auto* c = std::get_if<mmu_update_call>(&call)) {
      append(lines, entries(c->ureqs.entries, tree, indent));
    } else if (const auto* x = std::get_if<mmuext_op_call>(&call)) {
      append(lines, entries(x->uops.entries, tree, indent));
    } else if (const auto* m = std::get_if<multicall_call>(&call)) {
      append(lines, calls(*m, tree, indent));
    } else {
      lines.push_back({line_role::plain, indent, arguments(call)});
      for (const auto& [index, extent] : tree.entries)
        append(lines, joined(changes_text(extent.own, names_, indent), "change"));
    }
    append(lines, joined(changes_text(tree.own, names_, indent), "change"));
    if (tree.preempted != 0)
      lines.push_back(
          {line_role::dim, indent,
           fmt::format("continued {}", tree.preempted == 1 ? "once" : fmt::format("{} times", tree.preempted))});
    return lines;
  }

 private:
  static std::string foreign(u32 foreigndom) {
    return foreigndom == DOMID_SELF ? "" : fmt::format(" for foreigndom {:#x}", foreigndom);
  }

  template <class Entry>
  text_block entries(std::span<const Entry> list, const event_tree& tree, unsigned indent) const {
    std::vector<text_block> blocks;
    for (u32 i = 0; i < list.size(); ++i) {
      const auto events = tree.entries.find(i);
      const std::string number = list.size() == 1 ? "" : fmt::format("[{}] ", i);
      if (events == tree.entries.end()) {
        blocks.push_back({{line_role::dim, indent, number + "not reached"}});
        continue;
      }
      std::optional<shown_entry> shown;
      text_block block{{line_role::plain, indent, number + entry(list[i], events->second, shown)}};
      append(block, joined(changes_text(events->second.own, names_, indent + step_indent, shown), "change"));
      blocks.push_back(std::move(block));
    }
    return joined(std::move(blocks), "entry");
  }

  text_block calls(const multicall_call& m, const event_tree& tree, unsigned indent) const {
    std::vector<text_block> blocks;
    for (u32 i = 0; i < m.call_list.size(); ++i) {
      const multicall_entry& e = m.call_list[i];
      const auto events = tree.entries.find(i);
      if (events == tree.entries.end()) {
        blocks.push_back({{line_role::dim, indent, fmt::format("[{}] {}: not reached", i, hypercall_name(e.call))}});
        continue;
      }
      const line_role role = e.result < 0 ? line_role::failed : line_role::plain;
      text_block block{{role, indent, fmt::format("[{}] {}", i, head(e.call, e.result))}};
      append(block, body(e.call, events->second, indent + 2 * step_indent));
      blocks.push_back(std::move(block));
    }
    return joined(std::move(blocks), "entry");
  }

  std::string table_text(mfn_t table) const {
    const auto level = act_.table_levels.find(table.n);
    const std::string kind = level == act_.table_levels.end() ? "" : fmt::format("L{} ", level->second);
    return kind + frame_text(table, names_);
  }

  std::string entry(const mmu_update_t& u, const event_tree& events, std::optional<shown_entry>& shown) const {
    const auto cmd = static_cast<u32>(u.ptr & (sizeof(pte_t) - 1));
    const mfn_t mfn = maddr_to_mfn({u.ptr});
    if (cmd == MMU_MACHPHYS_UPDATE) return fmt::format("m2p of {} to {:#x}", frame_text(mfn, names_), u.val);
    const auto slot = static_cast<unsigned>((u.ptr & PAGE_OFFSET_MASK) / sizeof(pte_t));
    const std::string suffix = cmd == MMU_NORMAL_PT_UPDATE        ? ""
                               : cmd == MMU_PT_UPDATE_PRESERVE_AD ? ", A and D preserved"
                                                                  : fmt::format(", command {}", cmd);
    shown = shown_entry{mfn, slot};
    return fmt::format("{}[{}]  {}{}", table_text(mfn), slot, transition(events, *shown, u.val), suffix);
  }

  /// "old → new" as Xen wrote it; "→ new" where it wrote nothing.
  std::string transition(const event_tree& events, const shown_entry& at, pte_t wanted) const {
    for (const owned_event* e : events.own)
      if (e->kind == event_kind::pte && e->mfn == at.table && e->slot == at.slot)
        return e->old == e->value ? "stays " + pte_text(e->value, names_)
                                  : fmt::format("{} → {}", pte_text(e->old, names_), pte_text(e->value, names_));
    return fmt::format("→ {} (not written)", pte_text(wanted, names_));
  }

  std::string entry(const mmuext_op_t& op, const event_tree&, std::optional<shown_entry>&) const {
    const std::string_view known = mmuext_cmd_name(op.cmd);
    std::string name = known.empty() ? fmt::format("command {}", op.cmd) : std::string(known);
    switch (op.cmd) {
      case MMUEXT_PIN_L1_TABLE:
      case MMUEXT_PIN_L2_TABLE:
      case MMUEXT_PIN_L3_TABLE:
      case MMUEXT_PIN_L4_TABLE:
      case MMUEXT_UNPIN_TABLE:
      case MMUEXT_NEW_BASEPTR:
      case MMUEXT_CLEAR_PAGE: return fmt::format("{} {}", name, frame_text({op.arg1}, names_));
      case MMUEXT_NEW_USER_BASEPTR:
        return fmt::format("{} {}", name, op.arg1 == 0 ? "none" : frame_text({op.arg1}, names_));
      case MMUEXT_COPY_PAGE:
        return fmt::format("{} {} from {}", name, frame_text({op.arg1}, names_), frame_text({op.arg2}, names_));
      case MMUEXT_INVLPG_LOCAL:
      case MMUEXT_INVLPG_ALL: return fmt::format("{} {:#x}", name, op.arg1);
      case MMUEXT_INVLPG_MULTI: return fmt::format("{} {:#x} of {}", name, op.arg1, mask_text(op.vcpumask));
      case MMUEXT_TLB_FLUSH_MULTI: return fmt::format("{} of {}", name, mask_text(op.vcpumask));
      case MMUEXT_SET_LDT: return fmt::format("{} {:#x}, {}", name, op.arg1, count_text(op.arg2, "descriptor"));
      default: return name;
    }
  }

  static std::string mask_text(const vcpumask_arg& mask) {
    return mask ? fmt::format("vCPU mask {:#x}", *mask) : "a vCPU mask that cannot be read";
  }

  std::string arguments(const hypercall& call) const {
    if (const auto* u = std::get_if<update_va_mapping_call>(&call)) return va_mapping(*u);
    if (const auto* o = std::get_if<update_va_mapping_otherdomain_call>(&call))
      return fmt::format("{} for domain {:#x}", va_mapping(o->update), o->domid);
    if (const auto* g = std::get_if<set_gdt_call>(&call)) {
      std::string frames;
      for (const u64 mfn : g->frame_list.entries) frames += fmt::format("{}, ", frame_text({mfn}, names_));
      return fmt::format("{}{}", frames, count_text(g->entries, "descriptor"));
    }
    if (const auto* d = std::get_if<update_descriptor_call>(&call))
      return fmt::format("maddr {:#x} to {:#x}", d->maddr, d->desc);
    if (const auto* v = std::get_if<vm_assist_call>(&call)) return fmt::format("command {}, type {}", v->cmd, v->type);
    if (const auto* g = std::get_if<grant_table_op_call>(&call)) return std::string(gnttab_cmd_name(g->cmd()));
    if (const auto* o = std::get_if<memory_op_call>(&call)) return memory_op(*o);
    if (const auto* i = std::get_if<iret_call>(&call)) return fmt::format("to the kernel with rax {:#x}", i->rax);
    if (const auto* v = std::get_if<vcpu_op_call>(&call))
      return fmt::format("command {} of vCPU {}", v->cmd, v->vcpuid);
    const auto* unknown = std::get_if<unknown_call>(&call);
    return unknown ? fmt::format("number {}", unknown->op) : "";
  }

  std::string memory_op(const memory_op_call& c) const {
    const std::string_view known = memory_op_cmd_name(c.cmd);
    std::string text = known.empty() ? fmt::format("command {}", c.cmd & MEMOP_CMD_MASK) : std::string(known);
    if (const u64 start = c.cmd >> MEMOP_EXTENT_SHIFT; start != 0) text += fmt::format(" from extent {}", start);
    if (const auto* r = std::get_if<xen_memory_reservation>(&c.arg)) return text + extents(*r);
    if (const auto* e = std::get_if<xen_memory_exchange>(&c.arg))
      return fmt::format("{}{} for{}, nr_exchanged {}", text, extents(e->in), extents(e->out), e->nr_exchanged);
    if (const auto* list = std::get_if<xen_machphys_mfn_list>(&c.arg))
      return fmt::format("{} of at most {}", text, count_text(list->max_extents, "extent"));
    return text + ": the argument cannot be read";
  }

  /// As the list is after the call.
  static std::string extents(const xen_memory_reservation& r) {
    constexpr std::size_t shown_max = 4;
    const auto list = r.extent_start.entries;
    std::string text = fmt::format(" {}", count_text(r.nr_extents, "extent"));
    if (r.extent_order != 0) text += fmt::format(" of order {}", r.extent_order);
    if (r.domid != DOMID_SELF) text += fmt::format(" of domain {:#x}", r.domid);
    for (std::size_t i = 0; i < std::min(list.size(), shown_max); ++i)
      text += fmt::format("{}{:#x}", i == 0 ? ": " : ", ", list[i]);
    return list.size() > shown_max ? text + ", …" : text;
  }

  std::string va_mapping(const update_va_mapping_call& u) const {
    static constexpr std::array flush{"", ", flush TLB", ", flush page", ", flush type 3"};
    const u64 type = u.flags & UVMF_FLUSHTYPE_MASK;
    const u64 scope = u.flags & ~UVMF_FLUSHTYPE_MASK;
    const std::string on = type == UVMF_NONE || scope == 0 ? ""
                           : scope == UVMF_ALL             ? " on all vCPUs"
                                                           : " on " + mask_text(u.vcpumask);
    return fmt::format("va {:#x} to {}{}{}", u.va, pte_text(u.val, names_), flush.at(type), on);
  }

  text_block joined(std::vector<text_block> blocks, const std::string& what) const {
    return tools::joined(std::move(blocks), what, how_);
  }

  const act& act_;
  const frame_names& names_;
  repetitions how_;
};

text_block access_text(const act& a, const frame_names& names, const std::string& head, repetitions how) {
  static constexpr std::array kinds{"load", "store", "xchg", "cmpxchg", "load selector"};
  const access_request& r = a.access;
  const access_result& o = a.outcome;
  const std::string mode = r.mode == cpu_mode::user ? "user mode: " : "kernel mode: ";
  const bool selector = r.kind == access_kind::load_selector;
  std::string text = fmt::format("{}{} {:#x}", a.caller.empty() ? head + mode : head,
                                 kinds.at(static_cast<std::size_t>(r.kind)), selector ? r.value : r.va);
  const event_tree tree = tree_of(a);
  if (o.emulated) {
    std::optional<shown_entry> shown;
    for (const owned_event* e : tree.own)
      if (e->kind == event_kind::emulated) shown = shown_entry{e->mfn, e->slot};
    text_block lines{{line_role::call, step_indent, text + ": emulated by Xen"}};
    for (const owned_event* e : tree.own)
      if (e->kind == event_kind::emulated)
        lines.push_back({line_role::plain, 2 * step_indent,
                         fmt::format("L1 {}[{}]  {} → {}", frame_text(e->mfn, names), e->slot, pte_text(e->old, names),
                                     pte_text(e->value, names))});
    append(lines, joined(changes_text(tree.own, names, 3 * step_indent, shown), "change", how));
    return lines;
  }
  if (o.fault) {
    const bool elsewhere = selector && o.vector == exception_vector::page_fault;
    text += fmt::format(": {}{}, error code {:#x}", exception_name(o.vector),
                        elsewhere ? fmt::format(" at {:#x}", o.cr2) : "", o.error_code);
  } else if (r.kind != access_kind::write && !selector) {
    text += fmt::format(" = {:#x}", o.value);
  }
  std::vector<const owned_event*> events;
  for (const owned_event* e : tree.own)
    if (e->kind != event_kind::guest_fault) events.push_back(e);
  text_block lines{{line_role::call, step_indent, text}};
  append(lines, joined(changes_text(events, names, 2 * step_indent), "change", how));
  return lines;
}

}  // namespace

std::string result_text(long result) {
  const std::string_view name = errno_name(result);
  return name.empty() ? fmt::format("{}", result) : std::string(name);
}

std::string frame_text(mfn_t mfn, const frame_names& names) {
  const auto name = names.find(mfn.n);
  return name == names.end() ? fmt::format("mfn {:#x}", mfn.n) : fmt::format("mfn {:#x} \"{}\"", mfn.n, name->second);
}

std::string pte_text(pte_t entry, const frame_names& names) {
  if (!present(entry)) return entry == 0 ? "0" : fmt::format("{:#x}", entry);
  return frame_text(pte_mfn(entry), names) + " " + flags_text(entry & ~PTE_ADDR_MASK);
}

text_block act_text(const act& a, const frame_names& names, bool name_domain, repetitions how) {
  const std::string who = name_domain ? fmt::format("d{}v{} ", a.domid, a.vcpu) : "";
  const std::string head = a.caller.empty() ? who : fmt::format("{}{}: ", who, a.caller);
  if (!a.is_call()) return access_text(a, names, head, how);
  const hypercall& call = a.call->call();
  if (a.crashed)
    return {{line_role::failed, step_indent, fmt::format("{}{}: the domain was crashed", head, hypercall_name(call))}};
  text_block lines{
      {failed(a) ? line_role::failed : line_role::call, step_indent, head + call_writer::head(call, a.result)}};
  append(lines, call_writer(a, names, how).body(call, tree_of(a), 2 * step_indent));
  return lines;
}

}  // namespace pvmmu::tools
