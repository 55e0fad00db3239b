#include "tools/conform/handed_out.h"

#include <algorithm>

#include "proto/abi/errno.h"

namespace pvmmu::conform {
namespace {

bool may_be_scarce(const lab::memory_reservation& r) {
  constexpr u32 always_there = 9;  // a large page's
  constexpr u32 address_bits = 0xff;
  return r.extent_order > always_there || (r.mem_flags & (address_bits | XENMEMF_exact_node_request)) != 0;
}

void add(std::vector<mfn_t>& to, const std::vector<u64>& list, u64 first, u64 end) {
  for (u64 i = first; i < std::min<u64>(end, list.size()); ++i) to.push_back({list[i]});
}

void add_reserved(std::vector<mfn_t>& to, const lab::memory_op& c, s64 result, const lab::memory_answer& memory) {
  const auto* r = std::get_if<lab::memory_reservation>(&c.arg);
  if (!r || (c.cmd & MEMOP_CMD_MASK) == XENMEM_decrease_reservation) return;
  add(to, memory.extents, c.cmd >> MEMOP_EXTENT_SHIFT, static_cast<u64>(result));
  if (static_cast<u64>(result) < r->nr_extents && may_be_scarce(*r)) to.push_back(INVALID_MFN);
}

void add_exchanged(std::vector<mfn_t>& to, const lab::memory_op& c, s64 result, const lab::memory_answer& memory) {
  const auto* e = std::get_if<lab::memory_exchange>(&c.arg);
  if (!e || std::max(e->in.extent_order, e->out.extent_order) >= 64) return;
  const auto extents_of = [e](u64 exchanged) { return exchanged << e->in.extent_order >> e->out.extent_order; };
  const u64 end = extents_of(memory.number);
  add(to, memory.extents, extents_of(e->nr_exchanged), end);
  if (result == to_result(xen_errno::enomem)) to.push_back(INVALID_MFN);
  // The chunk that cannot be told is exchanged all the same: what was told of it came from Xen.
  if (result == to_result(xen_errno::efault)) add(to, memory.extents, end, memory.extents.size());
}

void add_frames(std::vector<mfn_t>& to, const lab::memory_op& c, s64 result, const lab::memory_answer& memory) {
  if ((c.cmd & MEMOP_CMD_MASK) == XENMEM_exchange) {
    add_exchanged(to, c, result, memory);
  } else {
    add_reserved(to, c, result, memory);
  }
}

}  // namespace

std::vector<mfn_t> handed_out(const lab::call& c, const lab::answer& real) {
  std::vector<mfn_t> frames;
  if (const auto* op = std::get_if<lab::memory_op>(&c)) add_frames(frames, *op, real.result, real.memory);
  if (const auto* list = std::get_if<lab::multicall>(&c)) {
    for (std::size_t i = 0; i < std::min(list->entries.size(), real.entries.size()); ++i) {
      const lab::entry_answer& e = real.entries[i];
      if (const auto* op = std::get_if<lab::memory_op>(&list->entries[i])) add_frames(frames, *op, e.result, e.memory);
    }
  }
  return frames;
}

void adopt(const lab::call& c, const lab::answer& a, std::vector<std::optional<mfn_t>>& names) {
  if (a.result < 0) return;
  const auto give_names = [&](u32 first, u64 number, const std::vector<u64>& mfns) {
    for (u64 i = 0; i < std::min<u64>(number, mfns.size()) && first + i < names.size(); ++i)
      names[first + i] = mfn_t{mfns[i]};
  };
  const auto number = [&a](u64 if_zero) { return a.result > 0 ? static_cast<u64>(a.result) : if_zero; };
  if (const auto* op = std::get_if<lab::memory_op>(&c); op && op->adopt_first) {
    const bool all = !std::holds_alternative<lab::memory_reservation>(op->arg);
    give_names(*op->adopt_first, number(all ? a.memory.extents.size() : 0), a.memory.extents);
  }
  if (const auto* raw = std::get_if<lab::raw_call>(&c); raw && raw->adopt_blob && raw->blobs[*raw->adopt_blob].out) {
    const auto blobs = raw->blobs.begin();
    const auto before = std::count_if(blobs, blobs + *raw->adopt_blob, [](const lab::blob& b) { return b.out; });
    if (static_cast<std::size_t>(before) < a.blobs.size())
      give_names(raw->adopt_first, number(raw->adopt_number), a.blobs[static_cast<std::size_t>(before)]);
  }
}

}  // namespace pvmmu::conform
