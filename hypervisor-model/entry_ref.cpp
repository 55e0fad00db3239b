#include "hypervisor-model/entry_ref.h"

#include <algorithm>
#include <cassert>

#include "hypervisor-model/linear_pt.h"
#include "hypervisor-model/messages.h"
#include "hypervisor-model/page_type.h"
#include "hypervisor-model/unsaid.h"

namespace pvmmu::xen {
namespace {

constexpr u64 cache_attributes = PAGE_PWT | PAGE_PCD | PAGE_PAT;
constexpr u64 write_combining = PAGE_PAT;

/// A frame number of all ones is what guests store for "no frame": refused with -EINVAL, and without a message.
constexpr mfn_t invalid_mfn_in_pte = pte_mfn(PTE_ADDR_MASK);

/// MMIO: no references, but rights; and what is mapped write-back becomes uncached (xen 4.17 mm.c:885).
std::expected<u64, xen_errno> map_mmio(machine& m, pte_t l1e, domain& l1e_owner, domain& pg_owner) {
  const mfn_t mfn = pte_mfn(l1e);
  const auto refuse_no_frame = [&] {
    unsaid::entry_of_all_ones(m, l1e);
    return refuse(xen_errno::einval);
  };
  domain& caller = *m.current->dom;
  domain& mmio_owner = &pg_owner == &m.dom_io() ? caller : pg_owner;
  if (!mmio_owner.iomem_access_permitted(mfn)) {
    if (mfn == invalid_mfn_in_pte) return refuse_no_frame();
    messages::unprivileged_mmio(m, mmio_owner, mfn);
    return refuse(xen_errno::eperm);
  }
  if (&mmio_owner != &l1e_owner && !l1e_owner.iomem_access_permitted(mfn)) {
    if (mfn == invalid_mfn_in_pte) return refuse_no_frame();
    messages::foreign_mmio(m, caller, mfn, mmio_owner, l1e_owner);
    return refuse(xen_errno::eperm);
  }
  u64 flip = 0;
  if ((l1e & PAGE_RW) && m.mmio_read_only(mfn)) {
    messages::forcing_read_only(m, l1e_owner, mfn);
    flip = PAGE_RW;
  }
  switch (l1e & cache_attributes) {
    case 0: return flip | PAGE_PWT | PAGE_PCD;  // WB
    case PAGE_PWT:
    case PAGE_PWT | PAGE_PAT: return flip | PAGE_PCD | (l1e & PAGE_PAT);  // WT, WP
    default: return flip;
  }
}

// The L1D cache of QEMU's Nehalem, on which the real Xen is asked, sees 44 address bits; memory ends below bit 40
// (xen 4.17 spec_ctrl.c:1337-1380).
constexpr u64 l1tf_addr_mask = ((u64{1} << 44) - 1) & ~PAGE_OFFSET_MASK;
constexpr u64 l1tf_safe_maddr = u64{1} << 40;

bool is_iomem_page(machine& m, mfn_t mfn) { return !m.mfn_valid(mfn) || m.page(mfn).owner == m.dom_io().owner(); }

std::unexpected<xen_errno> could_not_pin(machine& m, pte_t l1e, const domain& l1e_owner, const domain& pg_owner,
                                         domain* real_owner) {
  messages::error_getting_mfn(m, l1e, l1e_owner, pg_owner);
  if (real_owner) put_page(m, m.page(pte_mfn(l1e)));
  return refuse(xen_errno::ebusy);
}

/// Whose frame it is, with a general reference taken: `pg_owner`'s, or where a privileged domain acts for another, a
/// third one's (xen 4.17 mm.c:978). nullptr, without a reference: it is I/O space.
[[gnu::noinline]] std::expected<domain*, xen_errno> get_page_of_stranger(machine& m, page_info& pg, pte_t l1e,
                                                                         domain& l1e_owner, domain& pg_owner) {
  domain* const real_owner = page_get_owner_and_reference(m, pg);
  if (real_owner == &m.dom_io()) {
    put_page(m, pg);
    return nullptr;
  }
  const bool may =
      real_owner && (real_owner == &pg_owner || (&pg_owner != &l1e_owner && xsm_target(pg_owner, *real_owner)));
  if (may) return real_owner;
  messages::wrong_owner(m, pg_owner, l1e_owner, real_owner);
  return could_not_pin(m, l1e, l1e_owner, pg_owner, real_owner);
}

}  // namespace

u64 disallowed_flags(const machine& m, unsigned level, pte_t e, const domain& d) {
  if (level > 1) return e & (PAGE_PWT | PAGE_PCD | PAGE_PSE | PAGE_GLOBAL);
  const u64 cache = d.may_map_devices() || d.domid == DOMID_IO ? 0 : cache_attributes;
  return e & (cache | (m.config().debug_build ? PAGE_GNTTAB : 0));
}

pte_t adjust_guest_entry(machine& m, unsigned level, pte_t e) {
  if (level > 1) return e | PAGE_USER | (level == 4 ? PAGE_ACCESSED : 0);  // xen 4.17 pv/mm.h:141
  if ((e & (PAGE_GUEST_KERNEL | PAGE_GLOBAL)) == (PAGE_GUEST_KERNEL | PAGE_GLOBAL)) messages::global_in_kernel(m, e);
  if (!(e & PAGE_USER)) e |= PAGE_GUEST_KERNEL | PAGE_USER;
  if (!(e & PAGE_GUEST_KERNEL)) e |= PAGE_GLOBAL | PAGE_USER;
  return e;
}

std::expected<u64, xen_errno> get_page_from_l1e(machine& m, pte_t l1e, domain& l1e_owner, domain& pg_owner) {
  assert(present(l1e));
  if (const u64 bad = disallowed_flags(m, 1, l1e, l1e_owner)) {
    messages::bad_flags(m, 1, bad, messages::asked_by::get_page);
    return refuse(xen_errno::einval);
  }
  const mfn_t mfn = pte_mfn(l1e);
  if (!m.mfn_valid(mfn)) return map_mmio(m, l1e, l1e_owner, pg_owner);
  page_info& pg = m.page(mfn);
  domain* owner = &pg_owner;
  if (&pg_owner == &m.dom_io() || !try_get_page(m, pg, pg_owner)) [[unlikely]] {
    const auto stranger = get_page_of_stranger(m, pg, l1e, l1e_owner, pg_owner);
    if (!stranger) return refuse(stranger.error());
    if (!*stranger) return map_mmio(m, l1e, l1e_owner, pg_owner);
    owner = *stranger;
  }
  const bool write = (l1e & PAGE_RW) != 0;
  if (write && !get_page_type(m, pg, PGT_writable_page)) {
    messages::could_not_get_writable(m);
    return could_not_pin(m, l1e, l1e_owner, *owner, owner);
  }
  if ((l1e & cache_attributes) != 0 && (pg.count_info & (PGC_xen_heap | PGC_extra)) != 0) {
    if (write) put_page_type(m, pg);
    put_page(m, pg);
    messages::cache_attributes_of_xen_heap(m);
    return refuse(xen_errno::eacces);
  }
  // Written past the caches: they are flushed before the frame becomes anything but writable.
  if (write && (l1e & cache_attributes) == write_combining) m.set_type_info(pg, pg.type_info | PGT_non_coherent);
  return 0;
}

void put_page_from_l1e(machine& m, pte_t l1e) {
  if (!present(l1e) || is_iomem_page(m, pte_mfn(l1e))) return;
  page_info& pg = m.page(pte_mfn(l1e));
  if (l1e & PAGE_RW) {
    put_page_and_type(m, pg);
  } else {
    put_page(m, pg);
  }
}

outcome get_page_from_entry(machine& m, unsigned level, pte_t e, mfn_t table, domain& d, unsigned flags) {
  if (const u64 bad = disallowed_flags(m, level, e, d)) {
    messages::bad_flags(m, level, bad, messages::asked_by::get_page);
    return refuse(xen_errno::einval);
  }
  if (level > 2) flags |= PTF_preemptible;
  const outcome o = get_page_and_type_from_mfn(m, pte_mfn(e), table_type(level - 1), d, flags);
  if (!o && o.error() == xen_errno::einval && get_linear_pagetable(m, level, e, table, d)) return {};
  return o;
}

std::expected<bool, xen_errno> put_page_from_entry(machine& m, unsigned level, pte_t e, mfn_t table, unsigned flags) {
  if (!present(e) || pte_mfn(e) == table) return false;
  page_info& pg = m.page(pte_mfn(e));
  if (level < 4 && (e & PAGE_PSE)) {  // dom0's p2m: the only superpages a guest ever has (xen 4.17 mm.c:1275)
    const u64 frames = entry_span(level) >> PAGE_SHIFT;
    for (u64 i = 0; i < frames; ++i) put_page_from_l1e(m, make_pte(pte_mfn(e) + i, e & (PAGE_PRESENT | PAGE_RW)));
    return true;
  }
  page_info& ptpg = m.page(table);
  if (flags & PTF_defer) {
    assert(!(flags & PTF_partial_set));
    defer_old_guest_table(*m.current, pg, &ptpg, false);
    return true;
  }
  const outcome o = put_page_type_flags(m, pg, flags | PTF_preemptible, &ptpg);
  if (!o) return refuse(o.error());
  put_page(m, pg);
  return true;
}

bool pv_l1tf_check(machine& m, unsigned level, pte_t e, domain& d) {
  if (!d.check_l1tf) return false;
  const u64 maddr = e & l1tf_addr_mask;
  const bool safe_address = maddr == 0 || maddr >= l1tf_safe_maddr;
  if (safe_address && !(level > 1 && (e & PAGE_PSE))) return false;
  messages::l1tf_crash(m, d, level, e);
  domain_crash(d);
  return true;
}

}  // namespace pvmmu::xen
