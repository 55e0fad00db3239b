#include "proto/abi/frame.h"
#include "tools/conform/program_reader.h"
#include "tools/scenario_names.h"

namespace pvmmu::conform {

namespace sc = pvmmu::scenario;
using lab::word_kind;

program_reader::frame_ref program_reader::frame(const sc::frame& f) const {
  if (f.has_mfn()) return {.n = f.mfn()};
  if (f.has_table() && f.table().level() == 4) return {.named = true, .n = probe::name_probe_l4};
  if (!f.has_name())
    file_.fail(f, {}, "a conformance program knows no such frame: expected name, mfn or table { level: 4 }");
  const auto own = index_.find(f.name());
  return {.named = true, .n = own == index_.end() ? *tools::given_frame(f.name()) : own->second};
}

u32 program_reader::frame_index(const sc::frame& f) const {
  const frame_ref r = frame(f);
  if (!r.named) file_.fail(f, {}, "expected the name of a frame");
  return static_cast<u32>(r.n);
}

lab::word program_reader::maddr(const sc::frame& f, u64 add) const {
  const frame_ref r = frame(f);
  if (!r.named) return lab::plain((r.n << PAGE_SHIFT) + add);
  return {.value = add, .kind = word_kind::maddr, .index = static_cast<u32>(r.n)};
}

lab::word program_reader::mfn(const sc::frame& f) const {
  const frame_ref r = frame(f);
  return r.named ? lab::mfn_of_frame(static_cast<u32>(r.n)) : lab::plain(r.n);
}

lab::word program_reader::pte(const sc::pte& p) const {
  u64 flags = 0;
  for (const int bit : p.flag()) flags |= u64{1} << bit;  // the flags' numbers are their bits
  flags += p.bits();
  return p.has_frame() ? maddr(p.frame(), flags) : lab::plain(flags);
}

lab::word program_reader::entry(const sc::entry& e, u64 add) const {
  if (e.has_table()) return maddr(e.table(), e.slot() * sizeof(pte_t) + add);
  if (e.of().level() != 4) file_.fail(e, "of", "a conformance program knows no such table: expected table and slot");
  return lab::entry_of(probe::name_probe_l4, table_slot(e.of().va(), 4), static_cast<u32>(add));
}

lab::word program_reader::address(const sc::address& a) const {
  switch (a.where_case()) {
    case sc::address::kWindow:
      if (a.window() >= next_window_slot_)
        file_.fail(a, "window",
                   fmt::format("window is {}: expected 0 to {}, what lies above has frames that are mapped", a.window(),
                               next_window_slot_ - 1));
      return lab::window_va(a.window(), a.offset());
    case sc::address::kUnreadable: return {.value = a.offset(), .kind = word_kind::unmapped};
    case sc::address::kFrame: {
      const auto mapped = window_slot_.find(frame_index(a.frame()));
      if (mapped == window_slot_.end())
        file_.fail(a, "frame", "no kernel maps this frame: expected window, with the frame mapped there");
      return lab::window_va(mapped->second, a.offset());
    }
    case sc::address::kWord: {
      lab::word w = word(a.word());
      w.value += a.offset();
      return w;
    }
    default: return lab::plain(a.va() + a.offset());
  }
}

lab::word program_reader::word(const sc::word& w) const {
  lab::word base = word_base(w);
  base.value += w.value();
  return base;
}

lab::word program_reader::word_base(const sc::word& w) const {
  switch (w.base_case()) {
    case sc::word::kPte: return pte(w.pte());
    case sc::word::kMfn: return mfn(w.mfn());
    case sc::word::kMfnHigh: {
      const frame_ref r = frame(w.mfn_high());
      return r.named ? lab::word{.kind = word_kind::mfn_high, .index = static_cast<u32>(r.n)} : lab::plain(r.n << 32);
    }
    case sc::word::kAddress: return address(w.address());
    case sc::word::kProbeL4Entry: return lab::probe_l4_entry(w.probe_l4_entry());
    case sc::word::kGrantRef: return lab::ref_of_grant(w.grant_ref());
    case sc::word::kGrantEntry: return lab::entry_of_grant(w.grant_entry());
    case sc::word::kBlob: return lab::blob_at(w.blob());
    case sc::word::kEarlierHigh: {
      const auto& e = w.earlier_high();
      if (e.call() >= call_index_.size())
        file_.fail(e, "call",
                   fmt::format("call is {}: expected a hypercall or access before this one, from 0 to {}", e.call(),
                               static_cast<s64>(call_index_.size()) - 1));
      if (e.word() > 0xffff) file_.fail(e, "word", fmt::format("word is {}: expected 0 to 65535", e.word()));
      return lab::upper_half_of(call_index_[e.call()], e.word());
    }
    default: return {};
  }
}

lab::content program_reader::contents(u32 frame, const sc::contents& c) const {
  return {.frame = frame,
          .slot = static_cast<u16>(c.slot()),
          .nr = static_cast<u16>(c.has_count() ? c.count() : 1),
          .value = c.has_pte()    ? pte(c.pte())
                   : c.has_word() ? word(c.word())
                                  : lab::plain(c.value())};
}

}  // namespace pvmmu::conform
