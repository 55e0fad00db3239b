#pragma once
// Hypercalls of every kind with every field random, and what it means for two of them to be the same.

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "proto/abi/hypercall.h"

namespace pvmmu::testing {

/// Makes calls and owns their lists.
class random_calls {
 public:
  explicit random_calls(u64 seed) : random_(seed) {}

  hypercall any(unsigned depth = 0) {
    switch (below(depth < 2 ? 16 : 15)) {
      case 0:
        return mmu_update_call{list<mmu_update_t>([&] { return mmu_update_t{word(), word()}; }), number(), done(),
                               number()};
      case 1:
        return mmuext_op_call{list<mmuext_op_t>([&] { return mmuext_op_t{number(), word(), word(), mask()}; }),
                              number(), done(), number()};
      case 2: return update();
      case 3: return update_va_mapping_otherdomain_call{update(), static_cast<domid_t>(word())};
      case 4: return set_gdt_call{list<u64>([&] { return word(); }), number()};
      case 5: return update_descriptor_call{word(), word()};
      case 6: return vm_assist_call{number(), number()};
      case 7: return unknown_call{word()};
      case 8: return grant_table_op_call{maps(), number()};
      case 9: return grant_table_op_call{unmaps(), number()};
      case 10: return memory_op();
      case 11: return iret_call{word()};
      case 12: return vcpu_op();
      case 13: return grant_table_op_call{gnttab_set_version_t{number()}, number()};
      case 14: return grant_table_op_call{status_frames(), number()};
      default: return multicall(depth);
    }
  }

  u64 below(u64 limit) { return random_() % limit; }

 private:
  /// Zero, small, all ones and anything between: each is an encoding of its own.
  u64 word() { return random_() >> std::min<u64>(below(80), 63) << below(2); }
  u32 number() { return static_cast<u32>(word()); }
  vcpumask_arg mask() { return below(2) ? vcpumask_arg(word()) : std::nullopt; }
  update_va_mapping_call update() { return {word(), word(), word(), mask()}; }

  extent_list extents() {
    auto entries = std::make_shared<std::vector<u64>>(below(40));
    std::ranges::generate(*entries, [&] { return word(); });
    kept_.push_back(entries);
    return {*entries, below(2) ? word() : extent_list::anywhere};
  }
  xen_memory_reservation reservation() {
    return {extents(), word(), number(), number(), below(2) ? static_cast<domid_t>(word()) : DOMID_SELF};
  }
  memory_op_call memory_op() {
    switch (below(4)) {
      case 0: return {word(), {}};
      case 1: return {word(), xen_machphys_mfn_list{number(), extents()}};
      case 2: return {word(), xen_memory_exchange{reservation(), reservation(), word()}};
      default: return {word(), reservation()};
    }
  }

  vcpu_op_call vcpu_op() {
    vcpu_op_call call{number(), number(), {}};
    if (below(4) == 0) return call;
    auto frames = std::make_shared<std::vector<u64>>(below(17));
    std::ranges::generate(*frames, [&] { return word(); });
    kept_.push_back(frames);
    call.arg = vcpu_guest_context{word(), word(), word(), word(), *frames, word(), word(), word()};
    return call;
  }

  done_arg done() {
    switch (below(3)) {
      case 0: return {};
      case 1: return {.where = done_arg::state::writable, .value = number()};
      default: return {.where = done_arg::state::unwritable, .value = number()};
    }
  }

  template <class T, class Make>
  guest_list<T> list(Make make) {
    auto entries = std::make_shared<std::vector<T>>(below(40));
    std::ranges::generate(*entries, make);
    kept_.push_back(entries);
    return {*entries, below(2) == 0};
  }

  std::span<gnttab_map_grant_ref_t> maps() {
    auto list = std::make_shared<std::vector<gnttab_map_grant_ref_t>>(below(40));
    for (auto& op : *list) op = {word(), number(), number(), static_cast<domid_t>(word())};
    kept_.push_back(list);
    return *list;
  }
  std::span<gnttab_unmap_grant_ref_t> unmaps() {
    auto list = std::make_shared<std::vector<gnttab_unmap_grant_ref_t>>(below(40));
    for (auto& op : *list) op = {word(), word(), number()};
    kept_.push_back(list);
    return *list;
  }

  gnttab_get_status_frames_t status_frames() {
    const auto list = extents().entries;
    return {number(), below(2) ? static_cast<domid_t>(word()) : DOMID_SELF, 0, list};
  }

  hypercall multicall(unsigned depth) {
    auto entries = std::make_shared<std::vector<multicall_entry>>(below(6));
    for (multicall_entry& entry : *entries) entry.call = any(depth + 1);
    kept_.push_back(entries);
    return multicall_call{*entries, below(2) == 0, number()};
  }

  std::mt19937_64 random_;
  std::vector<std::shared_ptr<void>> kept_;
};

inline bool same(const mmu_update_t& a, const mmu_update_t& b) { return a.ptr == b.ptr && a.val == b.val; }
inline bool same(const mmuext_op_t& a, const mmuext_op_t& b) {
  return a.cmd == b.cmd && a.arg1 == b.arg1 && a.arg2 == b.arg2 && a.vcpumask == b.vcpumask;
}
inline bool same(u64 a, u64 b) { return a == b; }
inline bool same(const done_arg& a, const done_arg& b) {
  return a.where == b.where && a.value == b.value && a.written == b.written;
}
template <class T>
bool same(const guest_list<T>& a, const guest_list<T>& b) {
  return a.null == b.null &&
         std::ranges::equal(a.entries, b.entries, [](const T& x, const T& y) { return same(x, y); });
}
inline bool same(const mmu_update_call& a, const mmu_update_call& b) {
  return same(a.ureqs, b.ureqs) && a.count == b.count && same(a.pdone, b.pdone) && a.foreigndom == b.foreigndom;
}
inline bool same(const mmuext_op_call& a, const mmuext_op_call& b) {
  return same(a.uops, b.uops) && a.count == b.count && same(a.pdone, b.pdone) && a.foreigndom == b.foreigndom;
}
inline bool same(const update_va_mapping_call& a, const update_va_mapping_call& b) {
  return a.va == b.va && a.val == b.val && a.flags == b.flags && a.vcpumask == b.vcpumask;
}
inline bool same(const update_va_mapping_otherdomain_call& a, const update_va_mapping_otherdomain_call& b) {
  return same(a.update, b.update) && a.domid == b.domid;
}
inline bool same(const set_gdt_call& a, const set_gdt_call& b) {
  return same(a.frame_list, b.frame_list) && a.entries == b.entries;
}
inline bool same(const update_descriptor_call& a, const update_descriptor_call& b) {
  return a.maddr == b.maddr && a.desc == b.desc;
}
inline bool same(const vm_assist_call& a, const vm_assist_call& b) { return a.cmd == b.cmd && a.type == b.type; }
inline bool same(const gnttab_map_grant_ref_t& a, const gnttab_map_grant_ref_t& b) {
  return a.host_addr == b.host_addr && a.flags == b.flags && a.ref == b.ref && a.dom == b.dom && a.status == b.status &&
         a.handle == b.handle && a.dev_bus_addr == b.dev_bus_addr;
}
inline bool same(const gnttab_unmap_grant_ref_t& a, const gnttab_unmap_grant_ref_t& b) {
  return a.host_addr == b.host_addr && a.dev_bus_addr == b.dev_bus_addr && a.handle == b.handle && a.status == b.status;
}
inline bool same(const gnttab_set_version_t& a, const gnttab_set_version_t& b) { return a.version == b.version; }
inline bool same(const gnttab_get_status_frames_t& a, const gnttab_get_status_frames_t& b) {
  return a.nr_frames == b.nr_frames && a.dom == b.dom && a.status == b.status &&
         std::ranges::equal(a.frame_list, b.frame_list);
}
template <class T>
bool same(std::span<T> a, std::span<T> b) {
  return std::ranges::equal(a, b, [](const T& x, const T& y) { return same(x, y); });
}
inline bool same(const grant_table_op_call& a, const grant_table_op_call& b) {
  const auto same_uop = [&b](const auto& uop) { return same(uop, std::get<std::decay_t<decltype(uop)>>(b.uop)); };
  return a.cmd() == b.cmd() && a.count == b.count && std::visit(same_uop, a.uop);
}

inline bool same(const extent_list& a, const extent_list& b) {
  return a.va == b.va && std::ranges::equal(a.entries, b.entries);
}
inline bool same(const std::monostate&, const std::monostate&) { return true; }
inline bool same(const xen_memory_reservation& a, const xen_memory_reservation& b) {
  return same(a.extent_start, b.extent_start) && a.nr_extents == b.nr_extents && a.extent_order == b.extent_order &&
         a.mem_flags == b.mem_flags && a.domid == b.domid;
}
inline bool same(const xen_memory_exchange& a, const xen_memory_exchange& b) {
  return same(a.in, b.in) && same(a.out, b.out) && a.nr_exchanged == b.nr_exchanged;
}
inline bool same(const xen_machphys_mfn_list& a, const xen_machphys_mfn_list& b) {
  return a.max_extents == b.max_extents && same(a.extent_start, b.extent_start) && a.nr_extents == b.nr_extents;
}
inline bool same(const memory_op_call& a, const memory_op_call& b) {
  return a.cmd == b.cmd && a.arg.index() == b.arg.index() &&
         std::visit([&](const auto& x) { return same(x, std::get<std::decay_t<decltype(x)>>(b.arg)); }, a.arg);
}
inline bool same(const iret_call& a, const iret_call& b) { return a.rax == b.rax; }
inline bool same(const vcpu_guest_context& a, const vcpu_guest_context& b) {
  return a.flags == b.flags && a.rip == b.rip && a.ldt_base == b.ldt_base && a.ldt_ents == b.ldt_ents &&
         std::ranges::equal(a.gdt_frames, b.gdt_frames) && a.gdt_ents == b.gdt_ents && a.user_cr3 == b.user_cr3 &&
         a.cr3 == b.cr3;
}
inline bool same(const vcpu_op_call& a, const vcpu_op_call& b) {
  return a.cmd == b.cmd && a.vcpuid == b.vcpuid && a.arg.has_value() == b.arg.has_value() &&
         (!a.arg || same(*a.arg, *b.arg));
}
inline bool same(const unknown_call& a, const unknown_call& b) { return a.op == b.op; }
inline bool same(const hypercall& a, const hypercall& b);
inline bool same(const multicall_entry& a, const multicall_entry& b) {
  return same(a.call, b.call) && a.result == b.result && a.overwritten == b.overwritten;
}
inline bool same(const multicall_call& a, const multicall_call& b) {
  return a.null == b.null && a.nr_calls == b.nr_calls &&
         std::ranges::equal(a.call_list, b.call_list,
                            [](const multicall_entry& x, const multicall_entry& y) { return same(x, y); });
}
inline bool same(const hypercall& a, const hypercall& b) {
  return a.index() == b.index() &&
         std::visit([&](const auto& x) { return same(x, std::get<std::decay_t<decltype(x)>>(b)); }, a);
}

}  // namespace pvmmu::testing
