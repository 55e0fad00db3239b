#include "tools/compare/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tools/compare/follow.h"
#include "tools/compare/page_lives.h"
#include "tools/entry_flags.h"
#include "tools/recording_callers.h"

namespace pvmmu::compare {
namespace {

constexpr u64 PAGE_OFFSET = 0xffff888000000000;  ///< where the direct map begins, and the kernel's addresses
constexpr u64 PAGE_PROTNONE = PAGE_GLOBAL;       ///< of an entry that is not present
constexpr u64 accessed_dirty = PAGE_ACCESSED | PAGE_DIRTY;

bool is_of_the_mmu(const wire::hypercall& call) {
  return call.has_mmu_update() || call.has_mmuext_op() || call.has_update_va_mapping();
}

/// A plain store and a locked exchange are different instructions; so are those of a byte and of the whole entry.
std::string store_name(const recording::emulated_write& write) {
  const std::string what = write.has_expected() ? "trapped exchange" : "trapped store";
  return write.bytes() == sizeof(pte_t)
             ? what
             : fmt::format("{} of {} byte{}", what, write.bytes(), write.bytes() == 1 ? "" : "s");
}

std::string entry_name(const recording::piece& piece, int entry) {
  if (piece.has_write()) return store_name(piece.write());
  const wire::hypercall& call = piece.call();
  return std::string(name_of(call.has_multicall() ? call.multicall().call_list(entry) : call));
}

s64 result_of(const recording::piece& piece, int entry) {
  if (!piece.call().has_multicall()) return piece.outcome().result();
  return entry < piece.outcome().entries_size() ? piece.outcome().entries(entry).result() : piece.outcome().result();
}

/// flush_tlb_kernel_range, as when memory of vmalloc is given back: whichever process runs has nothing to do with it.
bool flushes_kernel_addresses(const recording::piece& piece, const operation& o) {
  if (o.what != operation::kind::flush) return false;
  const auto is_for_all = [](const std::string& f) { return f == "do_flush_tlb_all" || f == "do_kernel_range_flush"; };
  return o.va >= PAGE_OFFSET || std::ranges::any_of(piece.callers(), is_for_all);
}

class describer {
 public:
  describer(const call_stream& stream, const scope& which)
      : stream_(stream),
        scope_(which),
        view_(view_at_start(stream)),
        begun_(which.ranges.empty() && !which.marked_by) {}

  described_stream run() {
    if (begun_) meet_all_pages();
    for (std::size_t i = 0; i < stream_.calls.size(); ++i) {
      take(stream_.calls[i]);
      if (scope_.marked_by != i) continue;
      begun_ = true;
      pages_ = {};
      meet_all_pages();
    }
    out_.ended = true;
    for (const mfn_t pgd : view_.kernel_pgds()) out_.ended = out_.ended && !mm_in_scope(view_.place_of(pgd));
    return std::move(out_);
  }

 private:
  void take(const whole_call& call);
  /// Empty: it is compared.
  std::string_view why_aside(const operation& o, vcpu_id_t vcpu);
  std::string_view why_table_aside(const operation& o);
  void before(const operation& o);
  void after(const operation& o);

  std::string words_of(const operation& o);
  std::string words_of_set(const operation& o);
  std::string words_of_va_mapping(const operation& o);
  std::string page_words(pte_t value);
  std::string table_name(mfn_t table);
  std::string cr3_name(mfn_t table);

  bool mm_in_scope(const std::optional<table_place>& place) const { return place && scope_.contains(*place); }
  bool runs_in_scope(vcpu_id_t vcpu) const { return mm_in_scope(view_.place_of(view_.root(vcpu))); }
  /// Where a table is hooked in, or was before, or will be.
  std::optional<table_place> place_of(mfn_t table);
  /// The frame of memory that an entry of an L1 means, if it means one.
  std::optional<mfn_t> page_of(pte_t value) const;
  template <class F>
  void each_page(mfn_t top, unsigned level, F&& visit) const;
  template <class F>
  void each_mapped_page(F&& visit) const;
  void meet_all_pages() {
    each_mapped_page([this](mfn_t page) { pages_.meet(page); });
  }
  /// Any pgd does to find what the kernel maps: it is the same in all.
  mfn_t kernel_root() const { return view_.kernel_pgds().empty() ? mfn_t{} : *view_.kernel_pgds().begin(); }

  const call_stream& stream_;
  const scope& scope_;
  page_table_view view_;
  page_lives pages_;
  std::map<life_t, table_place> last_places_;
  std::map<life_t, u32> table_names_;
  bool begun_;
  bool compared_ = false;                 ///< the operation at hand
  bool cr3_compared_ = false;             ///< of the same call
  std::set<life_t> taken_down_;           ///< kernel pgds that were unpinned
  std::map<std::string, u64> set_aside_;  ///< so far
  u64 calls_set_aside_ = 0;
  described_stream out_;
};

// ---- pages

std::optional<mfn_t> describer::page_of(pte_t value) const {
  if (present(value)) return pte_mfn(value);
  if ((value & PAGE_PROTNONE) == 0) return std::nullopt;
  // PROT_NONE: the kernel's own frame number, inverted.
  const auto e = view_.walk(kernel_root(), PAGE_OFFSET + ((~value & PTE_ADDR_MASK)), 1);
  if (!e) return std::nullopt;
  return pte_mfn(view_.entry(*e));
}

template <class F>
void describer::each_page(mfn_t top, unsigned level, F&& visit) const {
  view_.each_table(top, level, 0, [&](mfn_t table, unsigned at, u64) {
    if (at != 1) return;
    for (unsigned slot = 0; slot < entries_per_table; ++slot) {
      if (const auto page = page_of(view_.entry({table, slot}))) visit(*page);
    }
  });
}

template <class F>
void describer::each_mapped_page(F&& visit) const {
  for (const mfn_t pgd : view_.kernel_pgds()) {
    if (mm_in_scope(view_.place_of(pgd)) && !taken_down_.contains(view_.life_of(pgd))) each_page(pgd, 4, visit);
  }
}

// ---- names

std::optional<table_place> describer::place_of(mfn_t table) {
  const life_t life = view_.life_of(table);
  if (life == 0) return std::nullopt;
  if (const auto now = view_.place_of(table)) return last_places_[life] = *now;
  if (const auto before = last_places_.find(life); before != last_places_.end()) return before->second;
  const auto later = scope_.first_places.find(life);
  return later == scope_.first_places.end() ? std::nullopt : std::optional(later->second);
}

std::string describer::table_name(mfn_t table) {
  const auto [name, is_new] = table_names_.try_emplace(view_.life_of(table), table_names_.size() + 1);
  const auto place = place_of(table);
  if (!place) return fmt::format("table#{}", name->second);
  if (place->level < 4) return fmt::format("L{}#{}", place->level, name->second);
  return fmt::format("{}#{}", view_.is_kernel_pgd(table) ? "pgd" : "user pgd", name->second);
}

std::string describer::cr3_name(mfn_t table) {
  if (table.n == 0) return "0";
  return mm_in_scope(place_of(table)) ? table_name(table) : "another's";
}

// What the processor has written to an entry may have been read back and be part of the new one: of a page that was
// mapped before, accessed and dirty say nothing.
std::string describer::page_words(pte_t value) {
  if (value == 0) return "0";
  const auto page = page_of(value);
  if (!page) return fmt::format("{:#x}", value);
  const bool known = pages_.lives(*page);
  const u64 flags = value & ~PTE_ADDR_MASK & ~(known ? accessed_dirty : 0);
  return fmt::format("page {} {}{}", pages_.name(*page), known ? "" : "new ", tools::flags_text(flags));
}

// ---- words

std::string describer::words_of_set(const operation& o) {
  const pte_t value = (view_.entry({o.frame, o.slot}) & ~o.written) | (o.value & o.written);
  const auto place = place_of(o.frame);
  std::string text = table_name(o.frame);
  text += fmt::format("[{:#x}] = ", entry_va(place->va, place->level, o.slot));
  if (place->level == 1 || value == 0) {
    text += page_words(value);
  } else {
    text += fmt::format("{} {}", table_name(pte_mfn(value)), tools::flags_text(value & ~PTE_ADDR_MASK));
  }
  if (o.cmd == MMU_PT_UPDATE_PRESERVE_AD) text += ", A and D preserved";
  return text;
}

std::string describer::words_of_va_mapping(const operation& o) {
  const auto e = view_.walk(kernel_root(), o.va, 1);
  const bool own = e && pte_mfn(view_.entry(*e)) == o.frame;
  std::string text = fmt::format("{}{} {}", own ? "" : "another's address: ", table_name(o.frame),
                                 tools::flags_text(o.value & ~PTE_ADDR_MASK));
  if (o.flags != UVMF_NONE) text += o.flags == UVMF_TLB_FLUSH ? " and flush" : fmt::format(" flags {:#x}", o.flags);
  return text;
}

std::string words_of_flush(const operation& o) {
  std::string text(mmuext_cmd_name(o.cmd));
  if (o.va != 0) text += fmt::format(" {:#x}", o.va);
  if (o.vcpus) text += fmt::format(" vCPUs {:#x}", *o.vcpus);
  return text;
}

std::string describer::words_of(const operation& o) {
  switch (o.what) {
    case operation::kind::set_entry:
    case operation::kind::trapped_store: return words_of_set(o);
    case operation::kind::pin: return fmt::format("PIN_L{}_TABLE {}", o.level, table_name(o.frame));
    case operation::kind::unpin: return "UNPIN_TABLE " + table_name(o.frame);
    case operation::kind::va_mapping: return words_of_va_mapping(o);
    case operation::kind::load_cr3: return "NEW_BASEPTR " + cr3_name(o.frame);
    case operation::kind::load_user_cr3: return "NEW_USER_BASEPTR " + cr3_name(o.frame);
    case operation::kind::flush: return words_of_flush(o);
    case operation::kind::other: return std::string(o.name);
  }
  return {};
}

// ---- what is compared

std::string_view describer::why_table_aside(const operation& o) {
  const auto place = place_of(o.frame);
  if (!place) return o.what == operation::kind::va_mapping ? "the kernel's mappings" : "the kernel's tables";
  if (!scope_.contains(*place)) return "tables of other address spaces";
  if (scope_.ranges.empty()) return {};

  // Of a capture: what its ranges need, and from the unpinning of its pgd on, all.
  const bool entry = o.what == operation::kind::set_entry || o.what == operation::kind::trapped_store;
  const u64 start = entry ? entry_va(place->va, place->level, o.slot) : place->va;
  const u64 span = entry ? entry_span(place->level) : entry_span(place->level) * entries_per_table;
  const bool ends = place->level == 4 && o.what == operation::kind::unpin;
  const bool concerned = (entry || place->level < 4) && scope_.concerns(start, start + span);
  if (!ends && !concerned && taken_down_.empty()) return "the process's other addresses";
  begun_ = true;
  return {};
}

std::string_view describer::why_aside(const operation& o, vcpu_id_t vcpu) {
  switch (o.what) {
    case operation::kind::set_entry:
    case operation::kind::trapped_store:
    case operation::kind::pin:
    case operation::kind::unpin:
    case operation::kind::va_mapping: return why_table_aside(o);
    case operation::kind::load_cr3:
      cr3_compared_ = runs_in_scope(vcpu) || mm_in_scope(place_of(o.frame));
      return cr3_compared_ ? "" : "loads of other address spaces";
    case operation::kind::load_user_cr3:
      return cr3_compared_ || mm_in_scope(place_of(o.frame)) ? "" : "loads of other address spaces";
    case operation::kind::flush:
      if (!runs_in_scope(vcpu)) return "flushes of other address spaces";
      if (o.va != 0 && taken_down_.empty() && !scope_.concerns(o.va, o.va + 1)) return "the process's other addresses";
      return {};
    case operation::kind::other: return o.name;
  }
  return {};
}

// ---- the calls

void describer::before(const operation& o) {
  if (!mm_in_scope(view_.place_of(o.frame))) return;
  const auto unmapped = [this](mfn_t page) { pages_.unmapped(page); };
  const unsigned level = view_.level_of(o.frame);
  if (o.what == operation::kind::set_entry || o.what == operation::kind::trapped_store) {
    const pte_t old = view_.entry({o.frame, o.slot});
    if (level == 1) {
      if (const auto page = page_of(old)) unmapped(*page);
    } else if (present(old)) {
      each_page(pte_mfn(old), level - 1, unmapped);
    }
  } else if (o.what == operation::kind::unpin && view_.is_kernel_pgd(o.frame)) {
    // What follows is plain stores, which nobody sees.
    each_page(o.frame, 4, unmapped);
    taken_down_.insert(view_.life_of(o.frame));
  }
}

void describer::after(const operation& o) {
  switch (o.what) {
    case operation::kind::set_entry:
    case operation::kind::trapped_store:
      if (view_.level_of(o.frame) != 1 || !mm_in_scope(view_.place_of(o.frame))) return;
      if (const auto page = page_of(view_.entry({o.frame, o.slot}))) pages_.meet(*page);
      return;
    case operation::kind::pin:
      if (o.level == 4) meet_all_pages();
      return;
    case operation::kind::va_mapping:
      if ((o.flags & UVMF_FLUSHTYPE_MASK) != UVMF_TLB_FLUSH) return;
      [[fallthrough]];
    case operation::kind::flush:
      if (compared_) pages_.flushed([this](auto&& visit) { each_mapped_page(visit); });
      return;
    default: return;
  }
}

void describer::take(const whole_call& call) {
  const recording::piece& piece = call.piece;
  const bool multicall = piece.call().has_multicall();
  described_call words{
      .number = call.number, .vcpu = piece.vcpu(), .caller = tools::callers_of(piece), .multicall = multicall};
  int last_entry = -1;
  const auto before_each = [&](int entry, const operation& o) {
    const std::string_view aside =
        flushes_kernel_addresses(piece, o) ? "flushes of the kernel's addresses" : why_aside(o, words.vcpu);
    compared_ = aside.empty();
    if (begun_ && !aside.empty()) ++set_aside_[std::string(aside)];
    if (begun_ && aside.empty()) {
      if (std::exchange(last_entry, entry) != entry)
        words.entries.push_back({entry_name(piece, entry), {}, result_of(piece, entry)});
      words.entries.back().operations.push_back(words_of(o));
      ++out_.operations;
    }
    before(o);
  };
  follow(view_, call, before_each, [this](const operation& o) { after(o); });
  if (!begun_) return;
  if (multicall) {
    const auto& list = piece.call().multicall().call_list();
    const u64 missing = piece.call().multicall().nr_calls() - static_cast<u64>(list.size());
    if (missing != 0) set_aside_["entries of multicalls that were not recorded"] += missing;
    // Beside one entry of the MMU's there were only the processor's, as in a context switch.
    words.multicall = std::ranges::count_if(list, is_of_the_mmu) != 1;
  }
  if (words.entries.empty()) {
    ++calls_set_aside_;
    return;
  }
  out_.calls.push_back(std::move(words));
  out_.set_aside = set_aside_;
  out_.calls_set_aside = calls_set_aside_;
}

}  // namespace

described_stream describe(const call_stream& stream, const scope& which) { return describer(stream, which).run(); }

}  // namespace pvmmu::compare
