#include "tools/lab/lowered_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace pvmmu::lab {
namespace {

/// The struct of xen public/arch-x86/xen.h, in words.
std::vector<word> words_of(const vcpu_guest_context& c) {
  constexpr std::size_t flags = 64, rip = 81, ldt_base = 602, ldt_ents = 603, gdt_frames = 604, gdt_ents = 620,
                        ctrlreg = 623, nr_words = 646;
  std::vector<word> words(nr_words);
  words[flags] = plain(c.flags);
  words[rip] = plain(c.rip);
  words[ldt_base] = plain(c.ldt_base);
  words[ldt_ents] = plain(c.ldt_ents);
  if (c.gdt_frames.size() > gdt_ents - gdt_frames)
    throw std::invalid_argument(fmt::format("{} frames of a GDT, at most 16 are possible", c.gdt_frames.size()));
  std::ranges::copy(c.gdt_frames, words.begin() + gdt_frames);
  words[gdt_ents] = plain(c.gdt_ents);
  words[ctrlreg + 1] = c.user_cr3;
  words[ctrlreg + 3] = c.cr3;
  return words;
}

/// Lowers calls one into the other: a multicall's entries put their lists behind its own.
class lowering {
 public:
  struct bare_call {
    u64 op = 0;
    std::vector<word> args;
  };

  explicit lowering(bool in_multicall) : in_multicall_(in_multicall) {}

  bare_call operator()(const mmu_update& c) {
    std::vector<word> words;
    for (const mmu_update_entry& e : c.ureqs) words.insert(words.end(), {e.ptr, e.val});
    const word list = c.null_list ? plain(0) : add(std::move(words));
    return {HYPERVISOR_mmu_update, {list, plain(c.count), done_pointer(c.pdone), plain(c.foreigndom)}};
  }

  bare_call operator()(const mmuext_op& c) {
    std::vector<word> words;
    const u32 own = next_blob();
    if (!c.null_list) result_.blobs.emplace_back();
    for (const mmuext_entry& e : c.uops) {
      const bool masked = e.cmd == MMUEXT_TLB_FLUSH_MULTI || e.cmd == MMUEXT_INVLPG_MULTI;
      words.insert(words.end(), {plain(e.cmd), e.arg1, masked ? mask_pointer(e.vcpumask) : e.arg2});
    }
    if (!c.null_list) set(own, std::move(words));
    const word list = c.null_list ? plain(0) : pointer(own);
    return {HYPERVISOR_mmuext_op, {list, plain(c.count), done_pointer(c.pdone), plain(c.foreigndom)}};
  }

  bare_call operator()(const update_va_mapping& c) {
    word flags = plain(c.flags);
    if (c.mask_scope) {
      flags = mask_pointer(c.vcpumask);
      flags.value += c.flags & UVMF_FLUSHTYPE_MASK;
    }
    if (!c.otherdomain) return {HYPERVISOR_update_va_mapping, {c.va, c.val, flags}};
    return {HYPERVISOR_update_va_mapping_otherdomain, {c.va, c.val, flags, plain(*c.otherdomain)}};
  }

  bare_call operator()(const set_gdt& c) {
    const word list = c.null_list ? plain(0) : add(c.frame_list);
    return {HYPERVISOR_set_gdt, {list, plain(c.entries)}};
  }

  bare_call operator()(const update_descriptor& c) { return {HYPERVISOR_update_descriptor, {c.maddr, plain(c.desc)}}; }

  bare_call operator()(const vm_assist& c) { return {HYPERVISOR_vm_assist, {plain(c.cmd), plain(c.type)}}; }

  bare_call operator()(const map_grant_ref& c) {
    std::vector<word> words;
    for (const grant_map_entry& e : c.uop) {
      word flags_and_ref = e.ref;
      flags_and_ref.value += e.flags;
      words.insert(words.end(), {e.host_addr, flags_and_ref, plain(e.dom | u64{no_handle} << 32), plain(0)});
    }
    return grant_call(GNTTABOP_map_grant_ref, std::move(words), c.count);
  }

  bare_call operator()(const unmap_grant_ref& c) {
    std::vector<word> words;
    for (const grant_unmap_entry& e : c.uop) words.insert(words.end(), {e.host_addr, e.dev_bus_addr, e.handle});
    return grant_call(GNTTABOP_unmap_grant_ref, std::move(words), c.count);
  }

  bare_call operator()(const memory_op& c) {
    const word arg = std::visit([&](const auto& each) { return argument(each, c.adopt_first); }, c.arg);
    return {HYPERVISOR_memory_op, {plain(c.cmd), arg}};
  }

  bare_call operator()(const iret& c) {
    if (!std::exchange(has_frame_, true)) result_.header.iret_rax = c.rax;
    return {HYPERVISOR_iret, {}};
  }

  bare_call operator()(const vcpu_op& c) {
    const word arg = c.arg ? add(words_of(*c.arg)) : word{.kind = word_kind::unmapped};
    return {HYPERVISOR_vcpu_op, {plain(c.cmd), plain(c.vcpuid), arg}};
  }

  bare_call operator()(const raw_call& c) {
    const u32 first = next_blob();
    if (c.adopt_blob && !in_multicall_) {
      result_.header.adopt_blob = first + *c.adopt_blob;
      result_.header.adopt_first = c.adopt_first;
      result_.header.adopt_number = c.adopt_number;
    }
    bare_call bare{c.op, c.args};
    for (word& w : bare.args) shift(w, first);
    for (const blob& b : c.blobs) {
      std::vector<word> words = b.words;
      for (word& w : words) shift(w, first);
      report(std::move(words), b.out && !in_multicall_, out_part::meaning::blob);
    }
    return bare;
  }

  bare_call operator()(const multicall& c) {
    const u32 own = next_blob();
    if (!c.null_list)
      report(std::vector<word>(c.entries.size() * words_per_entry), true, out_part::meaning::entry_results);
    std::vector<word> words;
    for (entry_ = 0; entry_ < c.entries.size(); ++entry_) {
      bare_call bare = std::visit([this](const auto& e) { return (*this)(e); }, c.entries[entry_]);
      bare.args.resize(args_per_entry);
      words.insert(words.end(), {plain(bare.op), plain(0)});
      words.insert(words.end(), bare.args.begin(), bare.args.end());
    }
    if (!c.null_list) set(own, std::move(words));
    return {HYPERVISOR_multicall, {c.null_list ? plain(0) : pointer(own), plain(c.nr_calls)}};
  }

  bare_call operator()(const memory_access& c) {
    result_.header.kind = probe::call_kind::access;
    return {static_cast<u64>(c.op) | u64{c.bytes} << 8, {c.va, c.value, c.expected}};
  }

  lowered_call finish(bare_call bare) {
    if (bare.args.size() > probe::max_args) throw std::invalid_argument("a call has more than five arguments");
    result_.header.op = bare.op;
    std::ranges::copy(bare.args, result_.header.args);
    result_.header.nr_blobs = next_blob();
    if (next_blob() > probe::max_blobs)
      throw std::invalid_argument(
          fmt::format("a call needs {} lists, at most {} are possible", next_blob(), probe::max_blobs));
    for (u32 i = 0; i < next_blob(); ++i) check_size(i);
    return std::move(result_);
  }

 private:
  static constexpr std::size_t args_per_entry = 6;
  static constexpr std::size_t words_per_entry = 2 + args_per_entry;

  u32 next_blob() const { return static_cast<u32>(result_.blobs.size()); }
  static word pointer(u32 blob) { return {.kind = word_kind::blob, .index = blob}; }
  static void shift(word& w, u32 first) {
    if (w.kind == word_kind::blob) w.index += first;
  }

  void set(u32 index, std::vector<word> words) {
    lowered_blob& b = result_.blobs[index];
    b.bytes = static_cast<u32>(words.size() * 8);
    b.words = std::move(words);
  }
  word add(std::vector<word> words) {
    result_.blobs.emplace_back();
    set(next_blob() - 1, std::move(words));
    return pointer(next_blob() - 1);
  }
  word report(std::vector<word> words, bool out, out_part::meaning means) {
    if (out) result_.out.push_back({means, entry_, static_cast<u32>(words.size())});
    const word w = add(std::move(words));
    result_.blobs.back().out = out;
    return w;
  }

  bare_call grant_call(u32 cmd, std::vector<word> words, u32 count) {
    using enum out_part::meaning;
    return {HYPERVISOR_grant_table_op,
            {plain(cmd), report(std::move(words), true, in_multicall_ ? entry_list : blob), plain(count)}};
  }

  word done_pointer(const done_arg& done) {
    if (done.where == done_arg::state::absent) return plain(0);
    if (done.where == done_arg::state::unwritable) return {.kind = word_kind::unmapped};
    const word w =
        report({plain(done.value)}, true, in_multicall_ ? out_part::meaning::entry_done : out_part::meaning::done);
    result_.blobs.back().bytes = 4;
    return w;
  }
  // memory_op's structures (xen public/memory.h), and the lists that they point to.
  word list_pointer(const extent_words& list, bool out) {
    return list.at ? *list.at : report(list.words, out, out_part::meaning::extents);
  }
  std::vector<word> reservation(const memory_reservation& r, bool out) {
    return {list_pointer(r.extents, out), plain(r.nr_extents), plain(r.extent_order | u64{r.mem_flags} << 32),
            plain(r.domid)};
  }
  /// The list that was added last.
  void adopt(const extent_words& list, std::optional<u32> first, u32 number) {
    if (!first || list.at || in_multicall_) return;
    result_.header.adopt_blob = next_blob() - 1;
    result_.header.adopt_first = *first;
    result_.header.adopt_number = number;
  }
  word argument(const std::monostate&, std::optional<u32>) { return {.kind = word_kind::unmapped}; }
  word argument(const memory_reservation& r, std::optional<u32> adopt_first) {
    std::vector<word> words = reservation(r, true);
    adopt(r.extents, adopt_first, 0);
    return add(std::move(words));
  }
  word argument(const memory_exchange& e, std::optional<u32> adopt_first) {
    std::vector<word> words = reservation(e.in, false);
    const std::vector<word> out = reservation(e.out, true);
    adopt(e.out.extents, adopt_first, static_cast<u32>(e.out.extents.words.size()));
    words.insert(words.end(), out.begin(), out.end());
    words.push_back(plain(e.nr_exchanged));
    return report(std::move(words), true, out_part::meaning::exchange);
  }
  word argument(const machphys_mfn_list& list, std::optional<u32> adopt_first) {
    const word extents = list_pointer(list.extents, true);
    adopt(list.extents, adopt_first, static_cast<u32>(list.extents.words.size()));
    return report({plain(list.max_extents), extents, plain(0)}, true, out_part::meaning::machphys);
  }

  word mask_pointer(const vcpumask_arg& mask) { return mask ? add({plain(*mask)}) : word{.kind = word_kind::unmapped}; }

  void check_size(u32 index) const {
    const u64 limit = index == 0 ? probe::max_first_blob_words : probe::max_blob_words;
    if (result_.blobs[index].words.size() > limit)
      throw std::invalid_argument(
          fmt::format("a list of {} words, at most {} are possible here", result_.blobs[index].words.size(), limit));
  }

  lowered_call result_;
  bool in_multicall_;
  u32 entry_ = 0;
  bool has_frame_ = false;
};

}  // namespace

lowered_call lower(const call& c) {
  lowering l{std::holds_alternative<multicall>(c)};
  return l.finish(std::visit([&l](const auto& each) { return l(each); }, c));
}

}  // namespace pvmmu::lab
