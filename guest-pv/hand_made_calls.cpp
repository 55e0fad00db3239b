#include "guest-pv/hand_made_calls.h"

#include "guest-pv/pgalloc.h"

namespace pvmmu::guest {

// What a call writes to is found out before it is made: a continued one comes back with what its last piece had left.
std::expected<long, domain_crashed> hand_made_calls::call(vcpu_id_t vcpu, hypercall& call, std::string_view caller) {
  words targets;
  add_targets(vcpu, call, targets);
  const auto result = xen_.call(vcpu, call, caller);
  changed(targets);
  return result;
}

std::expected<access_result, domain_crashed> hand_made_calls::access(vcpu_id_t vcpu, const access_request& request,
                                                                     std::string_view caller) {
  words targets;
  if (request.kind != access_kind::read) add_word(vcpu, request.va, targets);
  const auto result = xen_.access(vcpu, request, caller);
  changed(targets);
  return result;
}

void hand_made_calls::changed(const words& targets) {
  for (const word& w : targets) k_.tables.touched_by_others(w.frame, w.index);
}

void hand_made_calls::add_targets(vcpu_id_t vcpu, const hypercall& call, words& to) const {
  if (const auto* batch = std::get_if<multicall_call>(&call)) {
    for (const multicall_entry& entry : batch->call_list) add_targets(vcpu, entry.call, to);
  } else if (const auto* update = std::get_if<mmu_update_call>(&call)) {
    for (const mmu_update_t& u : update->ureqs.entries) {
      to.push_back({maddr_to_mfn({u.ptr}), static_cast<unsigned>((u.ptr & PAGE_OFFSET_MASK) / 8)});
    }
  } else if (const auto* mapping = std::get_if<update_va_mapping_call>(&call)) {
    add_entry(vcpu, mapping->va, to);
  } else if (const auto* op = std::get_if<mmuext_op_call>(&call)) {
    for (const mmuext_op_t& o : op->uops.entries) {
      if (o.cmd != MMUEXT_CLEAR_PAGE && o.cmd != MMUEXT_COPY_PAGE) continue;
      for (unsigned index = 0; index < entries_per_table; ++index) to.push_back({{o.arg1}, index});
    }
  }
}

void hand_made_calls::add_entry(vcpu_id_t vcpu, u64 va, words& to) const {
  if (vcpu >= k_.tlb.size() || !k_.tlb[vcpu].loaded_mm) return;
  const auto entry = find_entry(k_, *k_.tlb[vcpu].loaded_mm, va, 1);
  if (entry) to.push_back({k_.p2m.pfn_to_mfn(entry->table), entry->slot});
}

void hand_made_calls::add_word(vcpu_id_t vcpu, u64 va, words& to) const {
  if (vcpu >= k_.tlb.size() || !k_.tlb[vcpu].loaded_mm) return;
  const auto entry = find_entry(k_, *k_.tlb[vcpu].loaded_mm, va, 1);
  if (!entry || none(k_, *entry)) return;
  to.push_back({pte_mfn(k_.tables.read(*entry)), static_cast<unsigned>((va & PAGE_OFFSET_MASK) / 8)});
}

}  // namespace pvmmu::guest
