#include "hypervisor-model/guest_access.h"

#include <array>
#include <cstring>

#include "hypervisor-model/ldt.h"
#include "hypervisor-model/machine/page_walk.h"
#include "hypervisor-model/page_type.h"
#include "hypervisor-model/ro_page_fault.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {
namespace {

bool is_write(const access_request& r) { return r.kind != access_kind::read; }

access_result inject_page_fault(machine& m, const vcpu& curr, u64 va, u32 error_code) {
  m.notify(event_kind::guest_fault, curr.id, {}, error_code, va);
  return {.fault = true, .error_code = error_code, .cr2 = va};
}

/// Bytes of one frame.
struct piece {
  mfn_t frame{};
  u64 offset = 0;
  u64 bytes = 0;
};
/// What an access reaches: the second is of the next page, where the access goes on there.
using pieces = std::array<piece, 2>;

/// What is no memory is a device that is not there: reads see 0 under QEMU, writes go nowhere.
u64 load(const machine& m, const pieces& from) {
  u64 value = 0;
  char* to = reinterpret_cast<char*>(&value);
  for (const piece& p : from) {
    if (p.bytes != 0 && m.mfn_valid(p.frame))
      std::memcpy(to, reinterpret_cast<const char*>(m.words(p.frame)) + p.offset, p.bytes);
    to += p.bytes;
  }
  return value;
}

void store(machine& m, const pieces& to, u64 value) {
  const char* from = reinterpret_cast<const char*>(&value);
  for (const piece& p : to) {
    if (p.bytes != 0 && m.mfn_valid(p.frame))
      std::memcpy(reinterpret_cast<char*>(m.words(p.frame)) + p.offset, from, p.bytes);
    from += p.bytes;
  }
}

/// A register's value, as much of it as an access of `bytes` uses.
u64 low_bytes(u64 value, unsigned bytes) {
  return bytes == sizeof(u64) ? value : value & ((u64{1} << (bytes * 8)) - 1);
}

/// The access itself, in memory that the guest may reach.
access_result perform(machine& m, const pieces& at, const access_request& r) {
  access_result result;
  if (r.kind != access_kind::write) result.value = load(m, at);
  const bool differs = r.kind == access_kind::cmpxchg && result.value != low_bytes(r.expected, r.bytes);
  if (is_write(r) && !differs) store(m, at, r.value);
  return result;
}

/// The emulated instruction on an L1 table: what it reads first, the update, what it leaves in its register.
std::optional<access_result> emulate_instruction(machine& m, vcpu& curr, const translation& t,
                                                 const access_request& r) {
  const auto offset = static_cast<unsigned>(r.va & PAGE_OFFSET_MASK);
  const bool reads = r.kind != access_kind::write;
  // Whoever reads through the mapping marks it accessed: an exchange, and Xen where it completes a part of an entry.
  if (reads || (r.bytes < sizeof(pte_t) && offset % r.bytes == 0)) set_accessed_dirty(m, curr.guest_table, r.va, false);
  const u64 value = load(m, {piece{t.frame, offset, r.bytes}});
  // A compare that fails and an exchange that changes nothing write nothing, and nothing of the new value is looked at
  // (xen 4.17 x86_emulate.c:8436, 11556).
  const bool writes = r.kind == access_kind::cmpxchg
                          ? value == low_bytes(r.expected, r.bytes)
                          : r.kind == access_kind::write || value != low_bytes(r.value, r.bytes);
  if (!writes) return access_result{.value = value, .emulated = true};
  const ptwr_answer answer = ptwr_emulated_update(m, curr, {t.frame, offset, r.bytes, r.value, std::nullopt});
  if (answer.result == ptwr_result::unhandleable) return std::nullopt;
  return access_result{.value = reads ? answer.old : 0, .emulated = true};
}

/// pv_ro_page_fault: a kernel's store that met a present, read-only mapping. Nothing: it is the guest's fault.
std::optional<access_result> emulate_write(machine& m, vcpu& curr, const translation& t, const access_request& r) {
  const domain& d = *curr.dom;
  // Xen looks at the last entry alone: one that is writable itself, below a read-only one, is not its business.
  const bool wanted = d.has_assist(VMASST_TYPE_writable_pagetables) || d.kind == domain_kind::dom0;
  if (!wanted || t.level != 1 || (m.words(t.table)[t.slot] & PAGE_RW)) return std::nullopt;
  page_info* const pg = get_page_from_mfn(m, t.frame, d);
  if (!pg) return std::nullopt;
  std::optional<access_result> result;
  if (page_lock(*pg)) {
    if (same_type(pg->type_info, PGT_l1_page_table)) result = emulate_instruction(m, curr, t, r);
    page_unlock(*pg);
  }
  put_page(m, *pg);
  if (result) ++m.perfc.ptwr_emulations;
  return result;
}

/// How far an access comes in one of its pages.
struct reached {
  translation t;
  bool allowed = false;
  u32 error_code = 0;  ///< of the fault, if it is not allowed
};

reached reach(machine& m, vcpu& curr, u64 va, const access_request& r) {
  const bool user_mode = r.mode == cpu_mode::user;
  const bool write = is_write(r);
  const u32 why = (write ? PFEC_write_access : 0u) | (user_mode ? PFEC_user_mode : 0u);
  if (!addr_ok(va)) return {.t = {}, .error_code = why};
  const mfn_t root = user_mode ? curr.guest_table_user : curr.guest_table;
  // What is remembered decides, whatever the tables say by now; only to mark a clean page dirty they are walked again.
  const tlb_entry* known = m.config().tlb ? tlb_find(curr.tlb, root, va) : nullptr;
  const bool forbidden = known && (!known->user || (write && !known->writable));
  if (known && !forbidden && (!write || known->dirty))
    return {.t = {.present = true, .frame = known->frame}, .allowed = true};

  const translation t = walk(m, root, va);
  set_accessed_above(m, root, va, t);
  if (forbidden || (t.present && (!t.user || (write && !t.writable)))) {
    tlb_forget(curr.tlb, va);
    return {.t = t, .error_code = why | PFEC_page_present};
  }
  if (!t.present) return {.t = t, .error_code = why};
  set_accessed_dirty(m, root, va, write);
  if (m.config().tlb) tlb_remember(curr.tlb, {root, va >> PAGE_SHIFT, t.frame, t.writable, t.user, t.dirty || write});
  return {.t = t, .allowed = true};
}

/// One page after the other, and memory only when both can be reached. Such a store is never emulated: it is not
/// aligned, or not within the page of the fault.
access_result access_two_pages(machine& m, vcpu& curr, const access_request& r) {
  const u64 next_page = (r.va + r.bytes - 1) & ~PAGE_OFFSET_MASK;
  const u64 in_first = next_page - r.va;
  const reached first = reach(m, curr, r.va, r);
  if (!first.allowed) return inject_page_fault(m, curr, r.va, first.error_code);
  const reached second = reach(m, curr, next_page, r);
  if (!second.allowed) return inject_page_fault(m, curr, next_page, second.error_code);
  return perform(
      m, {piece{first.t.frame, r.va & PAGE_OFFSET_MASK, in_first}, piece{second.t.frame, 0, r.bytes - in_first}}, r);
}

}  // namespace

access_result guest_access(machine& m, vcpu& curr, const access_request& request) {
  m.current = &curr;
  if (request.kind == access_kind::load_selector)
    return load_selector(m, curr, static_cast<u16>(request.value), request.mode);
  const bool one_word = request.bytes == 1 || request.bytes == 2 || request.bytes == 4 || request.bytes == 8;
  if (!one_word) return inject_page_fault(m, curr, request.va, 0);
  const u64 offset = request.va & PAGE_OFFSET_MASK;
  if (offset + request.bytes > PAGE_SIZE) return access_two_pages(m, curr, request);

  const reached page = reach(m, curr, request.va, request);
  if (page.allowed) return perform(m, {piece{page.t.frame, offset, request.bytes}}, request);
  const bool read_only = (page.error_code & PFEC_page_present) && page.t.present && page.t.user;
  if (read_only && request.mode == cpu_mode::kernel) {
    if (const auto emulated = emulate_write(m, curr, page.t, request)) return *emulated;
  }
  return inject_page_fault(m, curr, request.va, page.error_code);
}

}  // namespace pvmmu::xen
