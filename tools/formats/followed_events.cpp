#include "tools/formats/followed_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "tools/compare/call_stream.h"
#include "tools/left_calls.h"

namespace pvmmu::tools {
namespace {

using namespace guest::trace;  // the events, by their names in Linux

constexpr u64 PAGE_OFFSET = 0xffff888000000000;
constexpr const char* hidden_pointer = "(____ptrval____)";
constexpr u64 update_bytes = 16;  // sizeof(struct mmu_update)
constexpr u64 op_bytes = 24;      // sizeof(struct mmuext_op)
constexpr u64 mask_bytes = 8;     // of up to 64 vCPUs

constexpr u64 va_of(pfn_t pfn) { return PAGE_OFFSET + (pfn.n << PAGE_SHIFT); }
constexpr u64 rounded(u64 bytes) { return (bytes + 7) / 8 * 8; }

/// Whether one of the functions that led to the call has such a name.
bool called_by(const recording::piece& piece, std::string_view part) {
  return std::ranges::any_of(piece.callers(), [&](const std::string& name) { return name.contains(part); });
}

/// A call that xen_mc_flush made, entry for entry.
class flushed_batch {
 public:
  /// `levels`: of the tables whose entries are updated, by mfn.
  flushed_batch(const recording::piece& piece, const std::map<u64, unsigned>& levels, const frame_numbers& mfn_to_pfn)
      : piece_(piece), levels_(levels), mfn_to_pfn_(mfn_to_pfn) {}

  std::vector<std::string> lines(const hypercall& call) {
    u64 entries = 1;
    if (const auto* batch = std::get_if<multicall_call>(&call)) {
      entries = batch->nr_calls;
      for (const multicall_entry& e : batch->call_list) entry(e.call);
    } else {
      entry(call);
    }
    say(xen_mc_flush{entries, argidx_, callbacks_});
    return std::move(lines_);
  }

  /// An update that xen_set_pte made at once.
  std::vector<std::string> direct(const mmu_update_call& call) {
    for (std::size_t i = 0; i < call.ureqs.entries.size(); ++i) update(call.ureqs.entries, i);
    return std::move(lines_);
  }

 private:
  void say(const guest::trace::event& e) { lines_.push_back(trace_text(e, mfn_to_pfn_)); }

  u64 address_of(u64 maddr) const {
    const auto pfn = mfn_to_pfn_({maddr >> PAGE_SHIFT});
    return pfn ? va_of(*pfn) + (maddr & PAGE_OFFSET_MASK & ~u64{7}) : 0;
  }
  u64 pfn_of(u64 mfn) const { return mfn_to_pfn_({mfn}).value_or(pfn_t{0}).n; }

  void entry(const hypercall& call) {
    if (const auto* updates = std::get_if<mmu_update_call>(&call)) {
      const u64 args = allocate(updates->ureqs.entries.size() * update_bytes);
      for (std::size_t i = 0; i < updates->ureqs.entries.size(); ++i) {
        i += update(updates->ureqs.entries, i);
        if (!entry_said_) say_entry({HYPERVISOR_mmu_update, {args, 1, 0, DOMID_SELF}});
      }
    } else if (const auto* ops = std::get_if<mmuext_op_call>(&call)) {
      u64 bytes = 0;
      for (const mmuext_op_t& o : ops->uops.entries) bytes += op_bytes + (has_mask(o) ? mask_bytes : 0);
      const u64 args = allocate(bytes);
      for (const mmuext_op_t& o : ops->uops.entries) {
        op(o);
        if (!entry_said_) say_entry({HYPERVISOR_mmuext_op, {args, 1, 0, DOMID_SELF}});
      }
    } else if (const auto* mapping = std::get_if<update_va_mapping_call>(&call)) {
      allocate(0);
      protection(*mapping);
      say_entry({HYPERVISOR_update_va_mapping, {mapping->va, mapping->val, mapping->flags}});
    }
    entry_said_ = false;
  }

  void say_entry(const xen_mc_entry& e) {
    say(e);
    entry_said_ = true;
  }

  /// Where the arguments of a new entry begin.
  u64 allocate(u64 bytes) {
    const u64 start = rounded(argidx_);
    argidx_ = start + bytes;
    return start;
  }

  static bool has_mask(const mmuext_op_t& o) { return o.cmd == MMUEXT_TLB_FLUSH_MULTI || o.cmd == MMUEXT_INVLPG_MULTI; }

  /// Returns how many updates beyond this one the event is about.
  std::size_t update(std::span<const mmu_update_t> list, std::size_t i) {
    const u64 at = address_of(list[i].ptr);
    const auto level = levels_.find(list[i].ptr >> PAGE_SHIFT);
    // A table that is no table yet is an L1: entries of all others are plain stores until it is one.
    switch (level == levels_.end() ? 1 : level->second) {
      case 1:
        if ((list[i].ptr & 7) == MMU_PT_UPDATE_PRESERVE_AD)
          commit(at, list[i].val);
        else
          say(xen_mmu_set_pte{at, list[i].val});
        return 0;
      case 2: say(xen_mmu_set_pmd{at, list[i].val}); return 0;
      case 3: say(xen_mmu_set_pud{at, list[i].val}); return 0;
      case 4: return set_p4d(list, i);
      default: return 0;
    }
  }

  // The kernel's table and user mode's are written together in the user's half.
  std::size_t set_p4d(std::span<const mmu_update_t> list, std::size_t i) {
    const bool both = i + 1 < list.size() && (list[i].ptr & PAGE_OFFSET_MASK) == (list[i + 1].ptr & PAGE_OFFSET_MASK);
    say(xen_mmu_set_p4d{address_of(list[i].ptr), both ? address_of(list[i + 1].ptr) : 0, list[i].val});
    return both ? 1 : 0;
  }

  void commit(u64 at, pte_t value) {
    const std::string text = trace_text(xen_mmu_ptep_modify_prot_commit{{}, 0, at, value}, mfn_to_pfn_);
    lines_.push_back(fmt::format("xen_mmu_ptep_modify_prot_commit: mm {} addr (unknown) {}", hidden_pointer,
                                 text.substr(text.find("ptep "))));
  }

  void op(const mmuext_op_t& o) {
    switch (o.cmd) {
      case MMUEXT_NEW_BASEPTR:
        say(xen_mmu_write_cr3{true, pfn_of(o.arg1) << PAGE_SHIFT});
        ++callbacks_;
        break;
      case MMUEXT_NEW_USER_BASEPTR: say(xen_mmu_write_cr3{false, pfn_of(o.arg1) << PAGE_SHIFT}); break;
      case MMUEXT_INVLPG_LOCAL: say(xen_mmu_flush_tlb_one_user{o.arg1}); break;
      case MMUEXT_INVLPG_MULTI:
      case MMUEXT_TLB_FLUSH_MULTI: flush_multi(o); break;
      case MMUEXT_PIN_L1_TABLE: callbacks_ += pins_all() ? 1 : 0; break;
      case MMUEXT_PIN_L4_TABLE: whole("xen_mmu_pgd_pin", o.arg1); break;
      case MMUEXT_UNPIN_TABLE: unpin(o.arg1); break;
      default: break;
    }
  }

  void flush_multi(const mmuext_op_t& o) {
    const std::string range = o.cmd == MMUEXT_INVLPG_MULTI ? fmt::format("{:x}, end {:x}", o.arg1, o.arg1 + PAGE_SIZE)
                                                           : "(unknown), end (unknown)";
    lines_.push_back(fmt::format("xen_mmu_flush_tlb_multi: ncpus {} mm {} addr {}",
                                 std::popcount(o.vcpumask.value_or(0)), hidden_pointer, range));
  }

  bool pins_all() const { return called_by(piece_, "pgd_pin") || called_by(piece_, "xen_activate_mm"); }
  bool unpins_all() const { return called_by(piece_, "pgd_unpin") || called_by(piece_, "xen_exit_mmap"); }

  // The kernel's pgd comes before user mode's. Its pinning is told where it is asked for: Linux says it before the
  // tables below, which may have gone with a batch before.
  void whole(const char* name, u64 mfn) {
    if (std::exchange(whole_said_, true)) return;
    const std::string line = fmt::format("{}: mm {} pgd {:016x}", name, hidden_pointer, va_of({pfn_of(mfn)}));
    lines_.insert(lines_.begin(), line);
  }

  void unpin(u64 mfn) {
    if (!unpins_all()) return;
    if (!unpinned_pgd_) {
      unpinned_pgd_ = true;
      return whole("xen_mmu_pgd_unpin", mfn);
    }
    // Behind the pgd comes user mode's in the same entry; all others are L1s.
    if (entry_said_) return;
    ++callbacks_;
  }

  // Of a single page-table page; whole trees are told by their pgd.
  void protection(const update_va_mapping_call& mapping) {
    if (pins_all() || unpins_all() || mapping.va < PAGE_OFFSET) return;
    const pfn_t pfn{(mapping.va - PAGE_OFFSET) >> PAGE_SHIFT};
    constexpr std::array<std::pair<const char*, pt_level>, 3> kinds{
        {{"_pte", pt_level::pte}, {"_pmd", pt_level::pmd}, {"_pud", pt_level::pud}}};
    for (const auto& [kind, level] : kinds) {
      if (called_by(piece_, fmt::format("xen_alloc{}", kind))) {
        const std::string text = trace_text(xen_mmu_alloc_ptpage{{}, pfn, level, true}, mfn_to_pfn_);
        lines_.push_back(
            fmt::format("xen_mmu_alloc_ptpage: mm {}  {}", hidden_pointer, text.substr(text.find("pfn "))));
      }
      if (called_by(piece_, fmt::format("xen_release{}", kind))) release(pfn, level);
    }
  }

  // Told first, but the L1's UNPIN comes before the change of its mapping.
  void release(pfn_t pfn, pt_level level) {
    lines_.insert(lines_.begin(), trace_text(xen_mmu_release_ptpage{pfn, level, true}, mfn_to_pfn_));
  }

  const recording::piece& piece_;
  const std::map<u64, unsigned>& levels_;
  const frame_numbers& mfn_to_pfn_;
  std::vector<std::string> lines_;
  u64 argidx_ = 0;
  u64 callbacks_ = 0;
  bool entry_said_ = false;
  bool whole_said_ = false;
  bool unpinned_pgd_ = false;
};

/// Of a call as a whole.
std::vector<std::string> lines_of(const recording::piece& piece, const std::map<u64, unsigned>& levels,
                                  const frame_numbers& mfn_to_pfn) {
  decoded_call call;
  if (!call.decode(piece.call())) return {};
  flushed_batch batch(piece, levels, mfn_to_pfn);
  if (piece.callers(0) == "xen_mc_flush") return batch.lines(call.call());
  const auto* updates = std::get_if<mmu_update_call>(&call.call());
  if (!updates || !called_by(piece, "set_pte")) return {};
  return batch.direct(*updates);
}

/// Whether the flush was made because the buffer had no room for one entry more.
bool makes_room(const recording::piece& piece) {
  return piece.callers_size() > 1 && piece.callers(0) == "xen_mc_flush" && piece.callers(1) == "__xen_mc_entry";
}

/// Whether it is said of an update that waits in a buffer, before there is room for it.
bool is_queued(std::string_view line) {
  return line.starts_with("xen_mmu_set_pte") || line.starts_with("xen_mmu_ptep_modify_prot_commit");
}

}  // namespace

std::vector<std::string> followed_events::of(const timeline_step& step) {
  if (!step.piece.has_call() || step.piece.callers().empty()) return {};
  open_call& open = open_[step.act.vcpu];
  open.pieces.push_back(step.piece);
  open.levels.insert(step.act.table_levels.begin(), step.act.table_levels.end());
  if (was_left(step.piece)) return {};
  open_call whole = std::exchange(open, {});
  std::vector<std::string> lines =
      lines_of(compare::join_pieces(std::move(whole.pieces)).front().piece, whole.levels, mfn_to_pfn_);
  if (lines.empty()) return {};

  std::string& late = late_flush_[step.act.vcpu];
  if (!late.empty()) lines.insert(lines.begin() + (is_queued(lines.front()) ? 1 : 0), std::exchange(late, {}));
  if (makes_room(step.piece)) {
    late = std::move(lines.back());
    lines.pop_back();
  }
  return lines;
}

}  // namespace pvmmu::tools
