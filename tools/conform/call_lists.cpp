#include "tools/conform/call_lists.h"

#include <algorithm>
#include <utility>

namespace pvmmu::conform {
namespace {

/// Of a batch: its entries are reported as `words` words each.
template <class Entry>
left_out thin(std::vector<Entry>& list, u32& count, const std::vector<bool>& stays, u32 words = 0) {
  left_out gone;
  std::vector<Entry> left;
  for (u32 i = 0; i < list.size(); ++i) {
    if (stays[i]) {
      left.push_back(std::move(list[i]));
      continue;
    }
    if ((count & ~MMU_UPDATE_PREEMPTED) != 0) --count;
    for (u32 w = 0; w < words; ++w) gone.reported.push_back(i * words + w);
  }
  list = std::move(left);
  return gone;
}

/// Of one of a memory_op's lists, `each` words of which belong together. The numbers of the words that go.
std::vector<u32> thin(lab::extent_words& list, const std::vector<bool>& stays, u64 each = 1) {
  std::vector<u32> gone;
  std::vector<lab::word> left;
  for (u32 i = 0; i < list.words.size(); ++i) {
    if (stays[i / each]) {
      left.push_back(list.words[i]);
    } else {
      gone.push_back(i);
    }
  }
  list.words = std::move(left);
  return gone;
}

/// One number less for each word that is gone.
template <class Number>
void reduce(Number& count, const std::vector<u32>& gone) {
  count -= static_cast<Number>(std::min<u64>(count, gone.size()));
}

/// Those of `gone` that lay before `end`.
u64 gone_before(const std::vector<u32>& gone, u64 end) {
  return static_cast<u64>(std::ranges::count_if(gone, [end](u32 i) { return i < end; }));
}

/// Extents of one list for each chunk of an exchange, in which the other list has extents of `other` order.
u64 extents_a_chunk(u32 own_order, u32 other_order) {
  constexpr u32 most = 10;  // longer lists than that do not exist
  return other_order > own_order ? u64{1} << std::min(other_order - own_order, most) : 1;
}

u64 in_each(const lab::memory_exchange& e) { return extents_a_chunk(e.in.extent_order, e.out.extent_order); }
u64 out_each(const lab::memory_exchange& e) { return extents_a_chunk(e.out.extent_order, e.in.extent_order); }

std::size_t chunks(const lab::extent_words& list, u64 each) { return (list.words.size() + each - 1) / each; }

std::size_t entries_of(const std::monostate&) { return 0; }
std::size_t entries_of(const lab::memory_reservation& r) { return r.extents.words.size(); }
std::size_t entries_of(const lab::memory_exchange& e) {
  return std::max(chunks(e.in.extents, in_each(e)), chunks(e.out.extents, out_each(e)));
}
std::size_t entries_of(const lab::machphys_mfn_list& l) { return l.extents.words.size(); }

left_out thin(std::monostate&, u64&, const std::vector<bool>&) { return {}; }

left_out thin(lab::memory_reservation& r, u64& cmd, const std::vector<bool>& stays) {
  const std::vector<u32> gone = thin(r.extents, stays);
  reduce(r.nr_extents, gone);
  cmd -= gone_before(gone, cmd >> MEMOP_EXTENT_SHIFT) << MEMOP_EXTENT_SHIFT;
  return {gone, gone};
}

left_out thin(lab::memory_exchange& e, u64&, const std::vector<bool>& stays) {
  const std::vector<u32> given = thin(e.in.extents, stays, in_each(e)), got = thin(e.out.extents, stays, out_each(e));
  reduce(e.in.nr_extents, given);
  reduce(e.out.nr_extents, got);
  e.nr_exchanged -= gone_before(given, e.nr_exchanged);
  return {got, got};
}

left_out thin(lab::machphys_mfn_list& l, u64&, const std::vector<bool>& stays) {
  const std::vector<u32> gone = thin(l.extents, stays);
  reduce(l.max_extents, gone);
  return {gone, gone};
}

}  // namespace

std::size_t nr_entries(const lab::mmu_update& c) { return c.ureqs.size(); }
std::size_t nr_entries(const lab::mmuext_op& c) { return c.uops.size(); }
std::size_t nr_entries(const lab::map_grant_ref& c) { return c.uop.size(); }
std::size_t nr_entries(const lab::unmap_grant_ref& c) { return c.uop.size(); }
std::size_t nr_entries(const lab::memory_op& c) {
  return std::visit([](const auto& typed) { return entries_of(typed); }, c.arg);
}

std::size_t nr_adoptable(const lab::memory_op& c) {
  const auto* e = std::get_if<lab::memory_exchange>(&c.arg);
  return e ? e->out.extents.words.size() : nr_entries(c);
}

left_out leave_out(lab::mmu_update& c, const std::vector<bool>& stays) { return thin(c.ureqs, c.count, stays); }
left_out leave_out(lab::mmuext_op& c, const std::vector<bool>& stays) { return thin(c.uops, c.count, stays); }
left_out leave_out(lab::map_grant_ref& c, const std::vector<bool>& stays) { return thin(c.uop, c.count, stays, 4); }
left_out leave_out(lab::unmap_grant_ref& c, const std::vector<bool>& stays) { return thin(c.uop, c.count, stays, 3); }
left_out leave_out(lab::memory_op& c, const std::vector<bool>& stays) {
  return std::visit([&](auto& typed) { return thin(typed, c.cmd, stays); }, c.arg);
}

}  // namespace pvmmu::conform
