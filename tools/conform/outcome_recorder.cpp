#include "tools/conform/outcome_recorder.h"

#include <algorithm>
#include <array>

#include "hypervisor-model/machine/page_walk.h"
#include "proto/abi/errno.h"
#include "tools/conform/aim.h"
#include "tools/conform/memory_outcomes.h"

namespace pvmmu::conform {
namespace {

using std::string_view;

string_view update_name(u32 cmd, aim a) {
  static constexpr std::array<string_view, nr_aims> normal = {
      "mmu_update NORMAL: no frame", "mmu_update NORMAL: L1",          "mmu_update NORMAL: L2",
      "mmu_update NORMAL: L3",       "mmu_update NORMAL: L4",          "mmu_update NORMAL: seg_desc",
      "mmu_update NORMAL: writable", "mmu_update NORMAL: no type held"};
  static constexpr std::array<string_view, nr_aims> preserve = {
      "mmu_update PRESERVE_AD: no frame", "mmu_update PRESERVE_AD: L1",          "mmu_update PRESERVE_AD: L2",
      "mmu_update PRESERVE_AD: L3",       "mmu_update PRESERVE_AD: L4",          "mmu_update PRESERVE_AD: seg_desc",
      "mmu_update PRESERVE_AD: writable", "mmu_update PRESERVE_AD: no type held"};
  switch (cmd) {
    case MMU_NORMAL_PT_UPDATE: return normal[static_cast<std::size_t>(a)];
    case MMU_PT_UPDATE_PRESERVE_AD: return preserve[static_cast<std::size_t>(a)];
    case MMU_MACHPHYS_UPDATE: return "mmu_update MACHPHYS";
    case MMU_PT_UPDATE_NO_TRANSLATE: return "mmu_update NO_TRANSLATE";
    default: return "mmu_update command 4-7";
  }
}

bool uses_ldt(const xen::vcpu& v) {
  return std::ranges::any_of(v.ldt_frames, [](mfn_t frame) { return frame.n != 0; });
}

string_view mmuext_name(u32 cmd) {
  const string_view name = mmuext_cmd_name(cmd);
  return name.empty() ? "mmuext other command" : name;
}

string_view outcome_name(s64 result) {
  if (result == 0) return "0";
  if (result > 0) return "> 0";
  const string_view name = errno_name(result);
  return name.empty() ? "another errno" : name;
}

string_view store_name(access_kind kind, bool whole) {
  switch (kind) {
    case access_kind::write: return whole ? "write: RO mapping of an L1" : "write of a part: RO mapping of an L1";
    case access_kind::xchg: return whole ? "xchg: RO mapping of an L1" : "xchg of a part: RO mapping of an L1";
    default: return whole ? "cmpxchg: RO mapping of an L1" : "cmpxchg of a part: RO mapping of an L1";
  }
}

/// Whether it is the quirk of `count` that answers with foreigndom, before anything is looked at.
template <class Call, class List>
bool names_foreigndom(const Call& call, const List& list) {
  return call.count == MMU_UPDATE_PREEMPTED && list.null;
}

}  // namespace

void outcome_recorder::on_event(const event& e) {
  switch (e.kind) {
    case event_kind::call_begin:
      ++depth_;
      begin_piece();
      break;
    case event_kind::entry: begin_entry(e.slot); break;
    case event_kind::call_end:
      end_piece(static_cast<s64>(e.value));
      --depth_;
      break;
    default: break;
  }
}

void outcome_recorder::begin_piece() {
  if (continued_) return;
  call_name_ = hypercall_name(current());
  tells_foreigndom_ = false;
  began_ = false;
  if (const auto* op = std::get_if<memory_op_call>(&current())) first_extent_ = op->cmd >> MEMOP_EXTENT_SHIFT;
  if (const auto* update = std::get_if<mmu_update_call>(&current()))
    tells_foreigndom_ = names_foreigndom(*update, update->ureqs);
  if (const auto* ext = std::get_if<mmuext_op_call>(&current())) tells_foreigndom_ = names_foreigndom(*ext, ext->uops);
  if (const auto* descriptor = std::get_if<update_descriptor_call>(&current())) {
    const mfn_t mfn = maddr_to_mfn({descriptor->maddr});
    const bool on_seg_desc = m_.mfn_valid(mfn) && xen::same_type(m_.page(mfn).type_info, xen::PGT_seg_desc_page);
    if (on_seg_desc) call_name_ = "update_descriptor: seg_desc";
  }
}

void outcome_recorder::begin_entry(u32 i) {
  if (const auto* calls = std::get_if<multicall_call>(&current())) {
    inner_ = &calls->call_list[i].call;
    return;
  }
  count_done_entry();
  began_ = true;
  index_ = i;
  used_ldt_ = uses_ldt(*m_.current);
  if (const auto* update = std::get_if<mmu_update_call>(&current())) {
    const u64 ptr = update->ureqs.entries[i].ptr;
    entry_ = update_name(ptr & 7, aim_of(m_, maddr_to_mfn({ptr})));
  } else if (const auto* ext = std::get_if<mmuext_op_call>(&current())) {
    entry_ = mmuext_name(ext->uops.entries[i].cmd);
  } else if (const auto* op = std::get_if<memory_op_call>(&current())) {
    index_ += op->cmd >> MEMOP_EXTENT_SHIFT;
    const string_view name = decrease_operation(m_, *op, index_);
    if (!name.empty()) entry_ = name;
  }
}

/// Another entry follows: this one did not stop the call.
void outcome_recorder::count_done_entry() {
  if (entry_) count_entry("0");
  entry_.reset();
  if (const auto* grants = std::get_if<grant_table_op_call>(&current()); grants && began_) count_grant(*grants);
}

/// What became of the entry that was handled last: the call itself succeeds.
void outcome_recorder::count_grant(const grant_table_op_call& call) {
  const auto count = [this](string_view name, const auto& list) {
    table_.count(name, grant_status_name(list[index_].status));
  };
  if (const auto* maps = std::get_if<std::span<gnttab_map_grant_ref_t>>(&call.uop)) count("map_grant_ref", *maps);
  if (const auto* unmaps = std::get_if<std::span<gnttab_unmap_grant_ref_t>>(&call.uop))
    count("unmap_grant_ref", *unmaps);
}

void outcome_recorder::count_memory_op(const memory_op_call& call, s64 result) {
  if (entry_) table_.count(*entry_, static_cast<u64>(result) > index_ ? "0" : "stops");
  entry_.reset();
  const string_view extents = extents_outcome(call, first_extent_, result, began_);
  table_.count(memory_operation(call), extents.empty() ? outcome_name(result) : extents);
}

void outcome_recorder::end_piece(s64 result) {
  const bool is_multicall = std::holds_alternative<multicall_call>(current());
  if (m_.current->hcall_preempted) {
    // A multicall is preempted with one of its entries: that entry is what goes on.
    if (!is_multicall) continued_ = true;
    return;
  }
  continued_ = false;
  if (const auto* op = std::get_if<memory_op_call>(&current())) return count_memory_op(*op, result);
  if (const auto* grants = std::get_if<grant_table_op_call>(&current()); grants && began_) count_grant(*grants);
  const bool unreadable = result == to_result(xen_errno::efault);
  if (entry_) {
    // The list ends before the entry that could not be read; the one before that was done.
    count_entry(unreadable ? "0" : outcome_name(result));
    entry_.reset();
    if (!unreadable) return;
  }
  const string_view name = is_multicall ? "multicall" : call_name_;
  table_.count(name, tells_foreigndom_ && !is_multicall ? "foreigndom" : outcome_name(result));
}

void outcome_recorder::count_entry(string_view outcome) {
  table_.count(*entry_, outcome);
  if (!used_ldt_ || uses_ldt(*m_.current)) return;
  const bool by_set_ldt = *entry_ == mmuext_name(MMUEXT_SET_LDT);
  table_.count(by_set_ldt ? "SET_LDT: gives pages back" : "NEW_BASEPTR: gives the LDT's pages back", outcome);
}

string_view outcome_recorder::name_selector(const xen::vcpu& curr, u64 selector) const {
  const u64 offset = selector & ~u64{7};
  if (offset / sizeof(u64) >= curr.ldt_ents) return "load_selector: beyond the LDT";
  if (curr.ldt_frames[offset >> PAGE_SHIFT].n != 0) return "load_selector: page in use";
  const u64 va = curr.ldt_base + offset;
  if (!is_canonical(va)) return "load_selector: no address";
  const xen::translation t = xen::walk(m_, curr.guest_table, va);
  if (!addr_ok(va) || !t.present) return "load_selector: nothing mapped";
  if (!m_.mfn_valid(t.frame) || m_.page(t.frame).owner != curr.dom->owner())
    return "load_selector: a frame of another's";
  switch (aim_of(m_, t.frame)) {
    case aim::seg_desc: return "load_selector: descriptors in use elsewhere";
    case aim::unheld: return "load_selector: no type held";
    default: return "load_selector: another type held";
  }
}

string_view outcome_recorder::name_access(const xen::vcpu& curr, const access_request& r) const {
  if (r.kind == access_kind::load_selector) return name_selector(curr, r.value);
  const bool reads = r.kind == access_kind::read;
  if ((r.va & PAGE_OFFSET_MASK) + r.bytes > PAGE_SIZE) return reads ? "read: two pages" : "store: two pages";
  const xen::translation t = xen::walk(m_, curr.guest_table, r.va);
  if (!addr_ok(r.va) || !t.present) return reads ? "read: nothing mapped" : "store: nothing mapped";
  if (reads) return "read: a mapping";
  if (t.writable) return "store: RW mapping";
  if (m_.words(t.table)[t.slot] & PAGE_RW) return "store: RW entry below an RO one";
  switch (aim_of(m_, t.frame)) {
    case aim::l1:
      if (r.va % r.bytes != 0) return "store not aligned: RO mapping of an L1";
      return store_name(r.kind, r.bytes == sizeof(pte_t));
    case aim::l2: return "store: RO mapping of an L2";
    case aim::l3: return "store: RO mapping of an L3";
    case aim::l4: return "store: RO mapping of an L4";
    default: return "store: RO mapping of no table";
  }
}

void outcome_recorder::count_access(string_view name, const access_result& r) {
  table_.count(name, r.fault ? exception_name(r.vector) : "0");
}

}  // namespace pvmmu::conform
