#include "hypervisor-model/grant_version.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "hypervisor-model/outcome.h"
#include "hypervisor-model/page_type.h"

namespace pvmmu::xen {
namespace {

constexpr u32 reserved_entries = 8;  ///< GNTTAB_NR_RESERVED_ENTRIES: may be in use while the version changes
constexpr u64 status_bits = GTF_reading | GTF_writing;

/// The reserved entries, as words of version 1.
using reserved_words = std::array<u64, reserved_entries>;

/// An entry of version 2 without its status.
struct entry_v2 {
  u64 flags_and_domid;  ///< bits 15:0 and 31:16
  u64 frame;
};

entry_v2 read_v2(const machine& m, const grant_table& gt, u32 ref) {
  const u64* const words = m.words(gt.shared[0]) + std::size_t{2} * ref;
  return {words[0] & 0xffffffff, words[1]};
}

bool in_use(const grant_table& gt) {
  return std::any_of(gt.active.begin() + reserved_entries, gt.active.begin() + gt.nr_entries(),
                     [](const active_grant_entry& act) { return act.pin != 0; });
}

/// Whether version 1, with frames of 32 bits, can say what the reserved entries say.
bool fits_version_1(const machine& m, const grant_table& gt) {
  for (u32 ref = 0; ref < reserved_entries; ++ref) {
    const entry_v2 e = read_v2(m, gt, ref);
    const u64 type = e.flags_and_domid & GTF_type_mask;
    if (type == GTF_transitive || (type == GTF_permit_access && e.frame >> 32 != 0)) return false;
  }
  return true;
}

reserved_words read_reserved(const machine& m, const grant_table& gt) {
  reserved_words words{};
  if (gt.version == 1) {
    std::copy_n(m.words(gt.shared[0]), reserved_entries, words.begin());
    return words;
  }
  for (u32 ref = 0; ref < reserved_entries; ++ref) {
    const entry_v2 e = read_v2(m, gt, ref);
    if ((e.flags_and_domid & GTF_type_mask) != GTF_permit_access) continue;
    const grant_status_place at = place_of_status(gt, ref);
    const u64 status = m.words(at.frame)[at.slot] >> at.shift & 0xffff;
    words[ref] = e.frame << 32 | e.flags_and_domid | status;
  }
  return words;
}

void write_reserved(machine& m, const grant_table& gt, u32 version, const reserved_words& words) {
  for (u32 ref = 0; ref < reserved_entries; ++ref) {
    const u64 word = words[ref];
    if (version == 1) {
      m.write_pte(gt.shared[0], ref, word);
      continue;
    }
    m.write_pte(gt.shared[0], 2 * ref, word & 0xffffffff & ~status_bits);
    m.write_pte(gt.shared[0], 2 * ref + 1, word >> 32);
    const grant_status_place at = place_of_status(gt, ref);
    m.write_pte(at.frame, at.slot, m.words(at.frame)[at.slot] | (word & status_bits) << at.shift);
  }
}

bool gnttab_populate_status_frames(machine& m, domain& d) {
  grant_table& gt = d.grants;
  const std::size_t wanted = (gt.shared.size() * grants_per_frame_v2 + status_per_frame - 1) / status_per_frame;
  while (gt.status.size() < wanted) {
    const auto mfn = m.alloc_xenheap_page();
    if (!mfn) {
      for (const mfn_t taken : gt.status) m.free_xenheap_page(taken);
      gt.status.clear();
      return false;
    }
    gt.status.push_back(*mfn);
  }
  for (const mfn_t mfn : gt.status) share_xen_page_with_guest(m, d, mfn);
  return true;
}

/// Takes each frame back from the domain; if one is still referred to, gives it and those before it back again.
bool gnttab_unpopulate_status_frames(machine& m, domain& d) {
  grant_table& gt = d.grants;
  for (std::size_t i = 0; i < gt.status.size(); ++i) {
    page_info& pg = m.page(gt.status[i]);
    m.set_count_info(pg, pg.count_info & ~PGC_allocated);
    put_page(m, pg);
    if ((pg.count_info & ~PGC_xen_heap) != 0) {
      const bool taken = get_page(m, pg, d);
      assert(taken && "somebody holds it, and it is the domain's");
      m.set_count_info(pg, pg.count_info | PGC_allocated);
      while (i-- != 0) share_xen_page_with_guest(m, d, gt.status[i]);
      return false;
    }
    pg.owner = owner_none;
  }
  for (const mfn_t mfn : gt.status) m.free_xenheap_page(mfn);
  gt.status.clear();
  return true;
}

void clear_page(machine& m, mfn_t mfn) {
  for (unsigned slot = 0; slot < entries_per_table; ++slot)
    if (m.words(mfn)[slot] != 0) m.write_pte(mfn, slot, 0);
}

outcome change_version(machine& m, domain& d, u32 version) {
  grant_table& gt = d.grants;
  if (gt.shared.empty()) return refuse(xen_errno::enosys);  // of a snapshot, which knows no grants
  if (in_use(gt)) return refuse(xen_errno::ebusy);
  if (version == 2 && !gnttab_populate_status_frames(m, d)) return refuse(xen_errno::enomem);
  if (version == 1 && !fits_version_1(m, gt)) return refuse(xen_errno::erange);
  const reserved_words reserved = read_reserved(m, gt);
  if (version == 1 && !gnttab_unpopulate_status_frames(m, d)) return refuse(xen_errno::ebusy);
  for (const mfn_t mfn : gt.shared) clear_page(m, mfn);
  write_reserved(m, gt, version, reserved);
  gt.version = version;
  return {};
}

}  // namespace

grant_status_place place_of_status(const grant_table& gt, u32 ref) {
  const u32 i = ref % status_per_frame;
  return {gt.status[ref / status_per_frame], i / 4, i % 4 * 16};
}

long gnttab_set_version(machine& m, domain& d, gnttab_set_version_t& op) {
  const u32 wanted = op.version;
  outcome o;
  if (wanted != 1 && wanted != 2) {
    o = refuse(xen_errno::einval);
  } else if (wanted != d.grants.version) {
    o = change_version(m, d, wanted);
  }
  op.version = d.grants.version;
  return to_result(o);
}

long gnttab_get_status_frames(machine& m, domain& d, u32 count, gnttab_get_status_frames_t& op) {
  if (count != 1) return to_result(xen_errno::einval);
  domain* const of = op.dom == DOMID_SELF ? &d : m.find_domain(op.dom);
  if (!of) {
    op.status = GNTST_bad_domain;
  } else if (of != &d && !d.privileged) {
    op.status = GNTST_permission_denied;
  } else if (op.nr_frames > of->grants.status.size()) {
    op.status = GNTST_general_error;
  } else {
    op.status = op.nr_frames <= op.frame_list.size() ? GNTST_okay : GNTST_bad_virt_addr;
    for (std::size_t i = 0; i < std::min<std::size_t>(op.nr_frames, op.frame_list.size()); ++i)
      op.frame_list[i] = of->grants.status[i].n;
  }
  return 0;
}

}  // namespace pvmmu::xen
