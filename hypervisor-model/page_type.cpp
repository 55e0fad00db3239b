#include "hypervisor-model/page_type.h"

#include <cassert>

#include "hypervisor-model/descriptors.h"
#include "hypervisor-model/linear_pt.h"
#include "hypervisor-model/messages.h"
#include "hypervisor-model/unsaid.h"
#include "hypervisor-model/validate.h"

namespace pvmmu::xen {

// The way of nearly every reference is short and written first; what is rare stands in functions of its own, so that
// the short way stays short where it is inlined.

// ---- general references

/// Count 0: not in use. The two highest counts: it would wrap, or use up what get_page_light needs.
static bool takes_reference(const page_info& pg) { return ((pg.count_info + 2) & PGC_count_mask) > 2; }

domain* page_get_owner_and_reference(machine& m, page_info& pg) {
  if (!takes_reference(pg)) return nullptr;
  m.set_count_info(pg, pg.count_info + 1);
  return m.page_owner(pg);
}

bool try_get_page(machine& m, page_info& pg, const domain& d) {
  if (pg.owner != d.owner() || !takes_reference(pg)) return false;
  m.set_count_info(pg, pg.count_info + 1);
  return true;
}

bool get_page(machine& m, page_info& pg, const domain& d) {
  if (try_get_page(m, pg, d)) [[likely]]
    return true;
  if (!d.is_dying) messages::get_page_failed(m, pg, d, takes_reference(pg) ? m.page_owner(pg) : nullptr);
  return false;
}

page_info* get_page_from_mfn(machine& m, mfn_t mfn, const domain& d) {
  if (!m.mfn_valid(mfn)) {
    unsaid::no_memory(m, mfn);
    return nullptr;
  }
  page_info& pg = m.page(mfn);
  return get_page(m, pg, d) ? &pg : nullptr;
}

/// cleanup_page_mappings: with the last mapping gone the frame is no longer writable (xen 4.17 mm.c:2456).
[[gnu::cold, gnu::noinline]] static void free_page(machine& m, page_info& pg) {
  // Xen takes and drops the type of its own pages by itself.
  assert(pg.type_count() == 0 || (pg.count_info & PGC_xen_heap) || m.page_owner(pg)->is_dying);
  m.free_domheap_page(pg);
}

void put_page(machine& m, page_info& pg) {
  assert(pg.ref_count() != 0 && "a reference that nobody holds cannot be dropped");
  m.set_count_info(pg, pg.count_info - 1);
  if (pg.ref_count() == 0) [[unlikely]]
    free_page(m, pg);
}

/// The reference that a partial table owns: the caller holds one already, so it cannot fail.
static void get_page_light(machine& m, page_info& pg) {
  assert(pg.ref_count() != 0 && pg.ref_count() != PGC_count_mask);
  m.set_count_info(pg, pg.count_info + 1);
}

// ---- type references: take

static outcome validate_page(machine& m, page_info& pg, u64 type) {
  const outcome o = type == PGT_seg_desc_page ? validate_segdesc_page(m, pg) : promote_table(m, pg, table_level(type));
  if (o) {
    m.set_type_info(pg, pg.type_info | PGT_validated);
    return o;
  }
  if (o.error() == xen_errno::eintr) {
    m.set_type_info(pg, pg.type_info & ~PGT_count_mask);
    return o;
  }
  if (o.error() != xen_errno::erestart) messages::error_while_validating(m, pg, type);
  if (o.error() != xen_errno::erestart && &pg != m.current->old_guest_table) {
    m.set_type_info(pg, 0);
  } else {
    get_page_light(m, pg);
    m.set_type_info(pg, pg.type_info | PGT_partial);
  }
  return o;
}

/// On a change of type nobody may keep a translation from before (xen 4.17 mm.c:3008).
static void flush_on_type_change(machine& m, const page_info& pg) {
  domain* const d = m.page_owner(pg);
  const u64 mask = m.tlbflush_filter(*d, pg);
  if (mask == 0) return;
  ++m.perfc.need_flush_tlb_flush;
  m.flush_tlb(*d, mask, flush_reason::type_change);
}

/// The new type_info, or a refusal: everything that is decided before anything changes.
static std::expected<u64, xen_errno> type_info_with_reference(machine& m, const page_info& pg, u64 type) {
  const u64 x = pg.type_info;
  if (((x + 1) & PGT_count_mask) == 0) {
    messages::type_count_overflow(m, pg);
    return refuse(xen_errno::einval);
  }
  if ((x & PGT_count_mask) == 0) {
    return same_type(x, type) ? x + 1 : ((x + 1) & ~(PGT_type_mask | PGT_validated)) | type;
  }
  if (!same_type(x, type)) {
    // One level above the wanted table: it may be a linear page table, which the caller looks at next. Not a word.
    const unsigned level = table_level(type);
    if (level == 0 || level == 4 || table_level(x) != level + 1) messages::bad_type(m, pg, type);
    return refuse(xen_errno::einval);
  }
  // A partial table keeps its count of 1: who asks resumes the work. Any other state would be a concurrent validator,
  // and one machine runs one call at a time.
  assert((x & PGT_partial) && (x & PGT_count_mask) == 1);
  return x & ~PGT_partial;
}

/// Where the frame is not yet what is wanted, or must not become it.
[[gnu::noinline]] static outcome get_new_page_type(machine& m, page_info& pg, u64 type) {
  const u64 x = pg.type_info;
  if (type == PGT_writable_page && (x & PGT_count_mask) == 0) {
    m.set_type_info(pg, ((x & ~PGT_type_mask) | PGT_writable_page | PGT_validated) + 1);  // nothing to check
    flush_on_type_change(m, pg);
    return {};
  }
  const auto taken = type_info_with_reference(m, pg, type);
  if (!taken) return refuse(taken.error());
  const bool resumed = (x & PGT_partial) != 0;
  m.set_type_info(pg, *taken);
  if ((x & PGT_count_mask) == 0 && !same_type(x, type)) flush_on_type_change(m, pg);
  if (pg.type_info & PGT_non_coherent) m.set_type_info(pg, pg.type_info & ~PGT_non_coherent);
  if (!resumed) pg.aux = 0;  // nothing validated, no linear entries
  const outcome o = validate_page(m, pg, type);
  if (resumed) put_page(m, pg);
  return o;
}

outcome get_page_type_preemptible(machine& m, page_info& pg, u64 type, [[maybe_unused]] bool preemptible) {
  assert(preemptible || type == PGT_writable_page || type == PGT_l1_page_table || type == PGT_seg_desc_page);
  const u64 x = pg.type_info;
  const bool one_more =
      ((x ^ (type | PGT_validated)) & (PGT_type_mask | PGT_validated)) == 0 && ((x + 1) & PGT_count_mask) != 0;
  if (!one_more) [[unlikely]]
    return get_new_page_type(m, pg, type);
  m.set_type_info(pg, x + 1);
  return {};
}

bool get_page_type(machine& m, page_info& pg, u64 type) {
  return get_page_type_preemptible(m, pg, type, false).has_value();
}

// ---- type references: drop

/// The last reference to a table: takes it down (xen 4.17 mm.c:2732). `type` is its type_info from before.
static outcome put_final_page_type(machine& m, page_info& pg, u64 type, page_info* ptpg) {
  const outcome o = devalidate_page(m, pg, type);
  // Linear counts go as soon as the take-down has begun.
  if (ptpg && same_type(type, ptpg->type_info) && (type & PGT_validated) && (o || o.error() != xen_errno::eintr)) {
    dec_linear_uses(m, pg);
    dec_linear_entries(m, *ptpg);
  }
  if (o) {
    assert(pg.linear_pt_count() == 0 || m.page_owner(pg)->is_dying);
    m.set_tlbflush_timestamp(pg);
    m.set_type_info(pg, pg.type_info - 1);
  } else if (o.error() == xen_errno::eintr) {
    m.set_type_info(pg, pg.type_info | PGT_validated);
  } else {
    get_page_light(m, pg);
    m.set_type_info(pg, pg.type_info | PGT_partial);
  }
  return o;
}

/// The last reference, and those of table entries: there may be more to it than a count.
[[gnu::noinline]] static outcome put_table_type(machine& m, page_info& pg, unsigned flags, page_info* ptpg) {
  const u64 x = pg.type_info;
  if ((flags & PTF_partial_set) && !(x & PGT_partial)) return {};
  assert((flags & PTF_partial_set) ? (x & PGT_count_mask) == 1
                                   : !(x & PGT_partial) && ((x & PGT_validated) || m.page_owner(pg)->is_dying));
  assert((x & PGT_count_mask) != 0 && "a type reference that nobody holds cannot be dropped");

  const bool last = ((x - 1) & PGT_count_mask) == 0;
  if (last && table_level(x) != 0 && (x & (PGT_validated | PGT_partial))) {
    m.set_type_info(pg, x & ~(PGT_validated | PGT_partial));
    const outcome o = put_final_page_type(m, pg, x, ptpg);
    if (x & PGT_partial) put_page(m, pg);
    return o;
  }
  const bool linear = ptpg && same_type(x, ptpg->type_info);
  if (last && !linear) m.set_tlbflush_timestamp(pg);
  m.set_type_info(pg, x - 1);
  if (linear) {
    dec_linear_uses(m, pg);
    dec_linear_entries(m, *ptpg);
  }
  return {};
}

outcome put_page_type_flags(machine& m, page_info& pg, unsigned flags, page_info* ptpg) {
  const u64 x = pg.type_info;
  const bool plain =
      (x & (PGT_type_mask | PGT_validated)) == (PGT_writable_page | PGT_validated) && !(flags & PTF_partial_set);
  if (!plain) [[unlikely]]
    return put_table_type(m, pg, flags, ptpg);
  assert((x & PGT_count_mask) != 0 && "a type reference that nobody holds cannot be dropped");
  if ((x & PGT_count_mask) == 1) m.set_tlbflush_timestamp(pg);
  m.set_type_info(pg, x - 1);
  return {};
}

void put_page_type(machine& m, page_info& pg) {
  [[maybe_unused]] const outcome o = put_page_type_flags(m, pg, 0, nullptr);
  assert(o);
}

void put_page_and_type(machine& m, page_info& pg) {
  put_page_type(m, pg);
  put_page(m, pg);
}

outcome put_page_and_type_preemptible(machine& m, page_info& pg) {
  const outcome o = put_page_type_flags(m, pg, PTF_preemptible, nullptr);
  if (o) put_page(m, pg);
  return o;
}

// ---- both

outcome get_page_and_type_from_mfn(machine& m, mfn_t mfn, u64 type, const domain& d, unsigned flags) {
  const bool partial_set = (flags & PTF_partial_set) != 0;
  if (!partial_set && !get_page_from_mfn(m, mfn, d)) return refuse(xen_errno::einval);
  page_info& pg = m.page(mfn);
  const outcome o = get_page_type_preemptible(m, pg, type, (flags & PTF_preemptible) != 0);
  const bool retained = o || partial_set || &pg == m.current->old_guest_table ||
                        ((flags & PTF_retain_ref_on_restart) && o.error() == xen_errno::erestart);
  if (!retained) put_page(m, pg);
  return o;
}

bool page_lock(page_info& pg) {
  const u64 x = pg.type_info;
  assert(!(x & PGT_locked) && "one call at a time");
  const u64 nx = x + (1 | PGT_locked);
  if (!(x & PGT_validated) || !(x & PGT_count_mask) || !(nx & PGT_count_mask)) return false;
  pg.type_info = nx;
  return true;
}

void page_unlock(page_info& pg) {
  pg.type_info -= 1 | PGT_locked;
  assert(pg.type_count() != 0);
}

// ---- deferred drops

void defer_old_guest_table(vcpu& v, page_info& pg, page_info* ptpg, bool partial) {
  v.old_guest_ptpg = ptpg;
  v.old_guest_table = &pg;
  v.old_guest_table_partial = partial;
}

outcome put_old_guest_table(machine& m, vcpu& v) {
  if (!v.old_guest_table) return {};
  const unsigned flags = PTF_preemptible | (v.old_guest_table_partial ? PTF_partial_set : 0);
  const outcome o = put_page_type_flags(m, *v.old_guest_table, flags, v.old_guest_ptpg);
  if (!o) {
    v.old_guest_table_partial = o.error() == xen_errno::erestart;
    return refuse(xen_errno::erestart);
  }
  put_page(m, *v.old_guest_table);
  defer_old_guest_table(v, *v.old_guest_table, nullptr, true);
  v.old_guest_table = nullptr;
  return {};
}

}  // namespace pvmmu::xen
