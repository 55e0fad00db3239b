#include "tests/hypervisor-model/random_guests.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "hypervisor-model/grant_table.h"
#include "hypervisor-model/machine/page_walk.h"

namespace pvmmu::xen {
namespace {

constexpr u64 leaf_flags = PAGE_PRESENT | PAGE_USER | PAGE_ACCESSED;
constexpr u64 table_entry_flags = leaf_flags | PAGE_RW;
constexpr std::size_t frames_per_domain = 25;
constexpr u32 grants_used = 6;
/// What memory_op may give to a domain.
constexpr u64 frames_per_domain_max = 40;

/// In which slot of which L1 the domain sees its own L1 tables, so that its stores meet Xen's emulation.
constexpr unsigned first_window_slot = 16;

template <class T, std::size_t n>
const T& pick(choices& from, const std::array<T, n>& list) {
  return list[from.below(n)];
}

}  // namespace

random_guests::random_guests(choices& from, machine_config config, std::function<void()> after_piece)
    : machine_(std::make_unique<machine>(config)), m(*machine_), from_(from), after_piece_(std::move(after_piece)) {
  start_domain(domain_kind::dom0);
  start_domain(domain_kind::domU);
}

/// A domain with a few frames, of which slot 0 of every table makes a first tree, loaded on vCPU 0.
void random_guests::start_domain(domain_kind kind) {
  domain& d = m.add_domain(kind);
  if (kind == domain_kind::domU) domu = d.domid;
  frames_.resize(std::max<std::size_t>(frames_.size(), d.domid + 1u));
  std::vector<mfn_t>& frames = frames_[d.domid];
  frames.clear();
  d.max_pages = frames_per_domain_max;
  while (frames.size() < frames_per_domain) frames.push_back(m.alloc_domheap_page(d).value());
  for (unsigned id = 0; id < 2; ++id) {
    d.vcpus.push_back(std::make_unique<vcpu>());
    d.vcpus.back()->id = id;
    d.vcpus.back()->dom = &d;
  }
  for (unsigned level = 2; level <= 4; ++level)
    m.words(frames[level])[0] = make_pte(frames[level - 1], table_entry_flags);
  m.words(frames[1])[0] = make_pte(frames[0], table_entry_flags);
  gnttab_grow_table(m, d).value();
  for (u32 ref = 0; ref < grants_used; ++ref)
    m.words(d.grants.shared[0])[ref] = make_grant(frames[ref], GTF_permit_access, d.domid);
  unsigned slot = first_window_slot;
  for (const unsigned i : {1u, 6u, 11u, 2u, 3u, 4u}) m.words(frames[1])[slot++] = make_pte(frames[i], leaf_flags);
  memory_ = {};
  memory_.ops.push_back({{MMUEXT_NEW_BASEPTR, frames[4].n, 0, {}}});
  run(*d.vcpus[0], mmuext_op_call{{memory_.ops.back(), false}, 1});
}

void random_guests::restart_domu() {
  // Where dom0 still maps its frames it stays, dying, and keeps its number.
  m.remove_domain(domu);
  start_domain(domain_kind::domU);
}

void random_guests::step() {
  if (m.find_domain(domu)->crashed || from_.one_in(200)) {
    last = "the domU ends, another starts";
    return restart_domu();
  }
  memory_ = {};
  domain& d = *m.find_domain(from_.below(3) == 0 ? domu : domid_t{0});
  vcpu& v = *d.vcpus[from_.one_in(4) ? 1 : 0];
  if (from_.one_in(6)) {
    access(v);
  } else {
    hypercall call = any_call(d, false);
    last = fmt::format("d{}v{}", d.domid, v.id);
    note(call);
    run(v, std::move(call));
    replace_lost_frames();
  }
}

void random_guests::replace_lost_frames() {
  for (const domid_t domid : {domid_t{0}, domu}) {
    const domain& d = *m.find_domain(domid);
    std::vector<mfn_t>& frames = frames_[domid];
    for (mfn_t& lost : frames) {
      if (m.page(lost).owner == d.owner()) continue;
      u32 n = d.page_list;
      while (n != 0 && std::ranges::count(frames, mfn_t{n}) != 0) n = m.page({n}).next;
      if (n != 0) lost = {n};
    }
  }
}

void random_guests::run(vcpu& v, hypercall call) {
  do {
    const long result = do_hypercall_piece(m, v, call);
    if (after_piece_) after_piece_();
    if (v.dom->crashed) {  // there is nobody left to see the result
      seen.push_back(~u64{0});
      return;
    }
    if (!v.hcall_preempted) seen.push_back(static_cast<u64>(result));
  } while (v.hcall_preempted);
  if (const auto* update = std::get_if<mmu_update_call>(&call)) seen.push_back(update->pdone.value);
  if (const auto* op = std::get_if<mmuext_op_call>(&call)) seen.push_back(op->pdone.value);
  for (const auto& list : memory_.maps)
    for (const gnttab_map_grant_ref_t& op : list) seen.insert(seen.end(), {static_cast<u16>(op.status), op.handle});
  for (const auto& list : memory_.unmaps)
    for (const gnttab_unmap_grant_ref_t& op : list) seen.push_back(static_cast<u16>(op.status));
  for (const auto& list : memory_.extents) seen.insert(seen.end(), list.begin(), list.end());
  for (const auto& list : memory_.calls) {
    for (const multicall_entry& entry : list) seen.push_back(static_cast<u64>(entry.result));
  }
}

void random_guests::access(vcpu& v) {
  const domain& d = *v.dom;
  access_request r;
  r.kind = static_cast<access_kind>(from_.below(5));
  r.mode = from_.one_in(8) ? cpu_mode::user : cpu_mode::kernel;
  r.bytes = pick(from_, std::array<u8, 8>{8, 8, 8, 8, 4, 2, 1, 3});
  r.va = any_va() + from_.below(from_.one_in(4) ? PAGE_SIZE : 64) / 8 * 8 + (from_.one_in(8) ? from_.below(8) : 0);
  r.value = any_entry(d, 1);
  if (r.kind == access_kind::load_selector) r.value = from_.below(from_.one_in(4) ? 0x10000 : 64) | selector_ti;
  r.expected = m.words(frame_of_level(d, 1))[(r.va & PAGE_OFFSET_MASK) / 8];
  last = fmt::format("d{}v{} access {} of {} bytes at {:#x}: {:#x}, expects {:#x}", d.domid, v.id,
                     static_cast<int>(r.kind), r.bytes, r.va, r.value, r.expected);
  const access_result result = guest_access(m, v, r);
  seen.insert(seen.end(), {result.fault, result.error_code, result.cr2, result.value, result.emulated});
}

void random_guests::note(const hypercall& call) {
  auto to = std::back_inserter(last);
  fmt::format_to(to, " {}", hypercall_name(call));
  if (const auto* c = std::get_if<mmu_update_call>(&call)) {
    fmt::format_to(to, " count {:#x} foreigndom {:#x}", c->count, c->foreigndom);
    for (const mmu_update_t& u : c->ureqs.entries) fmt::format_to(to, " [{:#x} = {:#x}]", u.ptr, u.val);
  } else if (const auto* o = std::get_if<mmuext_op_call>(&call)) {
    fmt::format_to(to, " count {:#x} foreigndom {:#x}", o->count, o->foreigndom);
    for (const mmuext_op_t& op : o->uops.entries) fmt::format_to(to, " [{} {:#x} {:#x}]", op.cmd, op.arg1, op.arg2);
  } else if (const auto* va = std::get_if<update_va_mapping_call>(&call)) {
    fmt::format_to(to, " {:#x} = {:#x}, flags {:#x}", va->va, va->val, va->flags);
  } else if (const auto* memory = std::get_if<memory_op_call>(&call)) {
    fmt::format_to(to, " {:#x}", memory->cmd);
    for (const auto& list : memory_.extents) fmt::format_to(to, " [{:#x}]", fmt::join(list, " "));
  } else if (const auto* list = std::get_if<multicall_call>(&call)) {
    for (const multicall_entry& entry : list->call_list) note(entry.call);
  }
}

hypercall random_guests::any_call(const domain& d, bool in_multicall) {
  switch (from_.below(18)) {
    case 0: return any_rare_call(d, in_multicall);
    case 1:
    case 2: return any_va_mapping(d);
    case 16:
    case 17: return any_grant_op(d);
    case 3:
    case 4:
    case 5:
    case 6:
    case 7: return any_mmuext_op(d);
    default: return any_mmu_update(d);
  }
}

hypercall random_guests::any_rare_call(const domain& d, bool in_multicall) {
  switch (from_.below(9)) {
    case 5:
    case 6:
    case 7: return any_memory_op(d);
    case 0: return update_descriptor_call{mfn_to_maddr(any_frame(d), any_slot() * 8).bytes, any_entry(d, 1)};
    case 1: return vm_assist_call{from_.below(3), from_.one_in(2) ? u32{VMASST_TYPE_m2p_strict} : from_.below(36)};
    case 2: return update_va_mapping_otherdomain_call{any_va_mapping(d), static_cast<domid_t>(any_foreigndom())};
    case 3: {
      memory_.frames.push_back({any_frame(d).n, any_frame(d).n});
      return set_gdt_call{{memory_.frames.back(), false}, from_.below(3) * 512};
    }
    case 4: return unknown_call{from_.below(64)};
    default: break;
  }
  std::vector<multicall_entry> calls;
  for (u32 n = in_multicall ? 1 : from_.below(4); n > 0; --n) calls.push_back({any_call(d, true), 0, false});
  memory_.calls.push_back(std::move(calls));
  const auto size = static_cast<u32>(memory_.calls.back().size());
  return multicall_call{memory_.calls.back(), false, size + (from_.one_in(16) ? 1 : 0)};
}

/// Writes one of the domain's grants, as a guest does that has its table mapped.
void random_guests::change_grant(const domain& d) {
  const u64 flags = from_.one_in(12)  ? from_.below(512)
                    : from_.one_in(8) ? GTF_permit_access | GTF_readonly
                                      : GTF_permit_access;
  u64& entry = m.words(d.grants.shared[0])[from_.below(grants_used)];
  entry = make_grant(any_frame(d), flags, from_.one_in(16) ? domid_t{7} : d.domid);
}

u64 random_guests::any_host_addr(const domain& d, u32 flags) {
  if (!(flags & GNTMAP_contains_pte)) return any_va();
  return mfn_to_maddr(frame_of_level(d, from_.one_in(12) ? 2 : 1), any_slot() * 8).bytes + (from_.one_in(24) ? 2 : 0);
}

/// Of the domain's own grants: one that is mapped, or more often now, is unmapped.
grant_table_op_call random_guests::any_grant_op(const domain& d) {
  if (from_.one_in(4)) change_grant(d);
  const u32 flags = from_.one_in(2) ? u32{GNTMAP_host_map} : 1 + from_.below(31);
  if (from_.one_in(2)) {
    auto& list = memory_.maps.emplace_back();
    for (u32 n = 1 + from_.below(3); n > 0; --n)
      list.push_back({.host_addr = any_host_addr(d, flags),
                      .flags = flags,
                      .ref = from_.one_in(24) ? 600 : from_.below(grants_used),
                      .dom = from_.one_in(24) ? DOMID_SELF : d.domid});
    return {std::span(list), any_count(list.size())};
  }
  auto& list = memory_.unmaps.emplace_back();
  for (u32 n = 1 + from_.below(3); n > 0; --n) list.push_back(any_unmap(d));
  return {std::span(list), any_count(list.size())};
}

/// Mostly of what is mapped, and where it is.
gnttab_unmap_grant_ref_t random_guests::any_unmap(const domain& d) {
  const auto& maptrack = d.grants.maptrack;
  std::vector<u32> mapped;
  for (u32 handle = 0; handle < maptrack.size(); ++handle)
    if (maptrack[handle].flags != 0) mapped.push_back(handle);
  if (mapped.empty() || from_.one_in(16)) return {any_va(), any_va(), from_.below(300)};
  const u32 handle = mapped[from_.below(static_cast<u32>(mapped.size()))];
  const u32 flags = maptrack[handle].flags;
  const mfn_t frame = d.grants.active[maptrack[handle].ref].mfn;
  u64 host_addr = any_host_addr(d, flags);
  for (u64 slot = 0; slot < entries_per_table && from_.below(64) != 0; ++slot) {
    const u64 addr =
        flags & GNTMAP_contains_pte ? mfn_to_maddr(frame_of_level(d, 1), slot * 8).bytes : slot << PAGE_SHIFT;
    const mfn_t found = flags & GNTMAP_contains_pte ? pte_mfn(m.words(maddr_to_mfn({addr}))[slot])
                                                    : walk(m, d.vcpus[0]->guest_table, addr).frame;
    if (found != frame) continue;
    host_addr = addr;
    break;
  }
  return {from_.one_in(4) ? 0 : host_addr,
          from_.one_in(2) ? 0 : mfn_to_maddr(from_.one_in(12) ? any_frame(d) : frame).bytes, handle};
}

xen_memory_reservation random_guests::any_reservation(const domain& d, bool of_frames, u32 nr) {
  auto& list = memory_.extents.emplace_back();
  for (u32 i = 0; i < nr; ++i) list.push_back(of_frames ? any_frame(d).n : from_.below(64));
  if (from_.one_in(16)) list.pop_back();
  constexpr std::array<domid_t, 4> domids{0, 1, 77, DOMID_IO};
  return {.extent_start = {list},
          .nr_extents = nr,
          .extent_order = from_.one_in(8) ? from_.below(3) : 0,
          .domid = from_.one_in(8) ? pick(from_, domids) : DOMID_SELF};
}

memory_op_call random_guests::any_memory_op(const domain& d) {
  const u32 nr = 1 + from_.below(4);
  switch (from_.below(8)) {
    case 0: return {from_.below(70), any_reservation(d, true, nr)};
    case 1: return {XENMEM_increase_reservation, any_reservation(d, false, nr)};
    case 2:
    case 3: {
      xen_memory_exchange e{any_reservation(d, true, nr), any_reservation(d, false, nr)};
      e.out.domid = e.in.domid;
      if (from_.one_in(2)) e.in.extent_order = e.out.extent_order;
      if (from_.one_in(3)) {  // of several frames a run
        e.in.extent_order = 0;
        e.out.extent_order = nr == 4 ? 2 : nr == 2 ? 1 : 0;
        if (e.out.extent_order != 0) e.out.nr_extents = 1;
      }
      return {XENMEM_exchange, e};
    }
    case 4:
    case 5: return {XENMEM_populate_physmap, any_reservation(d, false, nr)};
    default: return {XENMEM_decrease_reservation, any_reservation(d, true, nr)};
  }
}

mmu_update_call random_guests::any_mmu_update(const domain& d) {
  std::vector<mmu_update_t> list;
  for (u32 n = 1 + from_.below(4); n > 0; --n) {
    const unsigned level = 1 + from_.below(4);
    const mfn_t table = from_.one_in(12) ? any_frame(d) : frame_of_level(d, level);
    const u32 cmd = from_.one_in(12) ? from_.below(8) : from_.one_in(6) ? u32{MMU_PT_UPDATE_PRESERVE_AD} : 0;
    list.push_back({mfn_to_maddr(table, any_slot() * 8).bytes | cmd, any_entry(d, level)});
  }
  memory_.updates.push_back(std::move(list));
  const auto& entries = memory_.updates.back();
  return {{entries, false}, any_count(entries.size()), any_done(), any_foreigndom()};
}

mmuext_op_call random_guests::any_mmuext_op(const domain& d) {
  std::vector<mmuext_op_t> list;
  for (u32 n = 1 + from_.below(3); n > 0; --n) list.push_back(any_op(d));
  memory_.ops.push_back(std::move(list));
  const auto& entries = memory_.ops.back();
  return {{entries, false}, any_count(entries.size()), any_done(), any_foreigndom()};
}

mmuext_op_t random_guests::any_op(const domain& d) {
  const unsigned level = 1 + from_.below(4);
  switch (from_.below(8)) {
    case 0:
    case 1:
    case 2: return {level - 1, frame_of_level(d, from_.one_in(12) ? 1 + from_.below(4) : level).n, 0, {}};
    case 3:
    case 4:
    case 5: return {MMUEXT_UNPIN_TABLE, frame_of_level(d, level).n, 0, {}};
    case 6: {
      const mfn_t root = frame_of_level(d, from_.one_in(12) ? 3 : 4);
      if (from_.one_in(2)) return {MMUEXT_NEW_BASEPTR, root.n, 0, {}};
      return {MMUEXT_NEW_USER_BASEPTR, from_.one_in(4) ? 0 : root.n, 0, {}};
    }
    default: break;
  }
  const u64 arg1 = from_.one_in(2) ? any_frame(d).n : any_va();
  const vcpumask_arg mask = from_.one_in(4) ? vcpumask_arg{} : vcpumask_arg{from_.below(5)};
  return {from_.one_in(3) ? u32{MMUEXT_SET_LDT} : from_.below(22), arg1,
          from_.one_in(2) ? any_frame(d).n : from_.below(8194), mask};
}

update_va_mapping_call random_guests::any_va_mapping(const domain& d) {
  const u64 flags = from_.below(4) | (from_.one_in(2) ? u64{UVMF_ALL} : from_.one_in(2) ? 0x1000 : 0);
  return {any_va(), any_entry(d, 1), flags, from_.one_in(4) ? vcpumask_arg{} : vcpumask_arg{from_.below(5)}};
}

/// An entry for a table of `level`: most are right, some linear, some wrong in one thing.
u64 random_guests::any_entry(const domain& d, unsigned level) {
  const u64 flags = level == 1 ? leaf_flags | (from_.one_in(2) ? u64{PAGE_RW} : 0) : table_entry_flags;
  switch (from_.below(16)) {
    case 0:
    case 1:
    case 2:
    case 3: return 0;
    case 4: return make_pte(frame_of_level(d, level), leaf_flags);
    case 5: return make_pte(any_frame(d), flags ^ (u64{1} << from_.below(64) & ~PTE_ADDR_MASK));
    case 6: return from_.one_in(16) ? make_pte(any_frame(d), from_.below(4096) & ~u64{PAGE_PRESENT}) : 0;
    case 7: return make_pte(any_frame(d), leaf_flags);
    case 8: return make_pte(frame_of_level(d, level - 1), flags | (u64{from_.below(16)} << 52 | from_.below(8) << 9));
    default: return make_pte(frame_of_level(d, level - 1), flags);
  }
}

u64 random_guests::any_va() {
  switch (from_.below(12)) {
    case 0: return u64{from_.below(4)} << 39;
    case 1: return u64{from_.below(4)} << 30;
    case 2: return u64{from_.below(4)} << 21;
    case 3: return pick(from_, std::array<u64, 4>{u64{1} << 63, 0xffff800000000000, 0xffffffffffffe000, u64{1} << 46});
    default: return u64{from_.below(24)} << PAGE_SHIFT;
  }
}

unsigned random_guests::any_slot() {
  static constexpr std::array<unsigned, 24> slots = {0, 0, 0, 0, 0,   0,   1,   1,   1,   2,   2,   3,
                                                     5, 5, 7, 9, 255, 256, 258, 271, 272, 510, 511, 511};
  return pick(from_, slots);
}

mfn_t random_guests::frame_of_level(const domain& d, unsigned level) {
  const auto& frames = frames_[d.domid];
  return frames[level + 5 * from_.below(static_cast<u32>(frames.size() / 5))];
}

mfn_t random_guests::any_frame(const domain& d) {
  if (from_.one_in(16)) {
    return pick(from_, std::array<mfn_t, 6>{mfn_t{0}, {200}, {300}, {1020}, {1024}, {PTE_ADDR_MASK >> PAGE_SHIFT}});
  }
  const auto& frames = frames_[!from_.one_in(8) ? d.domid : d.domid == domu ? domid_t{0} : domu];
  return frames[from_.below(static_cast<u32>(frames.size()))];
}

u32 random_guests::any_foreigndom() {
  if (!from_.one_in(8)) return DOMID_SELF;
  const u32 fd = pick(from_, std::array<u32, 6>{DOMID_SELF, 1, 0, DOMID_IO, DOMID_XEN, 77});
  return fd | (from_.one_in(2) ? 0 : (1 + from_.below(3)) << 16);
}

u32 random_guests::any_count(std::size_t size) {
  const auto count = static_cast<u32>(size);
  if (!from_.one_in(24)) return count;
  return pick(from_, std::array<u32, 5>{count + 1, 0, MMU_UPDATE_PREEMPTED, count | MMU_UPDATE_PREEMPTED, 0xffffffff});
}

done_arg random_guests::any_done() {
  if (!from_.one_in(8)) return {done_arg::state::writable};
  return {done_arg::state::absent};
}

}  // namespace pvmmu::xen
