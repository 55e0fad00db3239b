#include "hypervisor-model/guest_access.h"

#include <cstring>

#include "hypervisor-model/page_type.h"
#include "hypervisor-model/page_walk.h"
#include "hypervisor-model/ro_page_fault.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {
namespace {

bool is_write(const access_request& r) { return r.kind != access_kind::read; }

access_result inject_page_fault(machine& m, const vcpu& curr, u64 va, u32 error_code) {
  m.notify(event_kind::guest_fault, curr.id, {}, error_code, va);
  return {.fault = true, .error_code = error_code, .cr2 = va};
}

u64 load(const machine& m, mfn_t frame, u64 offset, unsigned bytes) {
  u64 value = 0;
  std::memcpy(&value, reinterpret_cast<const char*>(m.words(frame)) + offset, bytes);
  return value;
}

/// The access itself, in memory that the guest may reach.
access_result perform(machine& m, mfn_t frame, const access_request& r) {
  const u64 offset = r.va & PAGE_OFFSET_MASK;
  access_result result;
  if (r.kind != access_kind::write) result.value = load(m, frame, offset, r.bytes);
  const u64 expected = r.bytes == 8 ? r.expected : r.expected & ((u64{1} << (r.bytes * 8)) - 1);
  if (r.kind == access_kind::read || (r.kind == access_kind::cmpxchg && result.value != expected)) return result;
  std::memcpy(reinterpret_cast<char*>(m.words(frame)) + offset, &r.value, r.bytes);
  return result;
}

/// pv_ro_page_fault: a kernel's store that met a present, read-only mapping. Nothing: it is the guest's fault.
std::optional<access_result> emulate_write(machine& m, vcpu& curr, const translation& t, const access_request& r) {
  const domain& d = *curr.dom;
  // Xen looks at the last entry alone: one that is writable itself, below a read-only one, is not its business.
  const bool wanted = d.has_assist(VMASST_TYPE_writable_pagetables) || d.kind == domain_kind::dom0;
  if (!wanted || t.level != 1 || (m.words(t.table)[t.slot] & PAGE_RW)) return std::nullopt;
  page_info* const pg = get_page_from_mfn(m, t.frame, d);
  if (!pg) return std::nullopt;
  ptwr_answer answer{ptwr_result::unhandleable};
  if (page_lock(*pg)) {
    if (same_type(pg->type_info, PGT_l1_page_table)) {
      ptwr_store store{t.frame, static_cast<unsigned>(r.va & PAGE_OFFSET_MASK), r.bytes, r.value, std::nullopt};
      // An exchange is emulated as a compare-and-exchange with what is there.
      if (r.kind == access_kind::cmpxchg) store.expected = r.expected;
      answer = ptwr_emulated_update(m, curr, store);
    }
    page_unlock(*pg);
  }
  put_page(m, *pg);
  if (answer.result == ptwr_result::unhandleable) return std::nullopt;
  ++m.perfc.ptwr_emulations;
  return access_result{.value = r.kind == access_kind::write ? 0 : answer.old, .emulated = true};
}

}  // namespace

access_result guest_access(machine& m, vcpu& curr, const access_request& request) {
  m.current = &curr;
  const bool one_word = request.bytes == 1 || request.bytes == 2 || request.bytes == 4 || request.bytes == 8;
  if (!one_word || (request.va & PAGE_OFFSET_MASK) + request.bytes > PAGE_SIZE) {
    return inject_page_fault(m, curr, request.va, 0);
  }
  const bool user_mode = request.mode == cpu_mode::user;
  const bool write = is_write(request);
  const u32 why = (write ? PFEC_write_access : 0u) | (user_mode ? PFEC_user_mode : 0u);
  if (!addr_ok(request.va)) return inject_page_fault(m, curr, request.va, why);

  const mfn_t root = user_mode ? curr.guest_table_user : curr.guest_table;
  const translation t = walk(m, root, request.va);
  if (!t.present) return inject_page_fault(m, curr, request.va, why);
  if (t.user && (t.writable || !write)) {
    // MMIO is nobody's memory: reads see all ones, writes go nowhere.
    if (!m.mfn_valid(t.frame)) return {.value = request.kind == access_kind::write ? 0 : ~u64{0}};
    set_accessed_dirty(m, root, request.va, write);
    return perform(m, t.frame, request);
  }
  if (write && t.user && !user_mode) {
    if (const auto emulated = emulate_write(m, curr, t, request)) return *emulated;
  }
  return inject_page_fault(m, curr, request.va, why | PFEC_page_present);
}

}  // namespace pvmmu::xen
