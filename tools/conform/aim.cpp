#include "tools/conform/aim.h"

#include "hypervisor-model/domain.h"

namespace pvmmu::conform {

aim aim_of(const xen::machine& m, mfn_t mfn) {
  if (!m.mfn_valid(mfn) || m.page(mfn).owner == xen::owner_none) return aim::nothing;
  const u64 type = m.page(mfn).type_info;
  if ((type & xen::PGT_count_mask) == 0) return aim::unheld;
  if (const unsigned level = xen::table_level(type)) return static_cast<aim>(level);
  return xen::same_type(type, xen::PGT_seg_desc_page) ? aim::seg_desc : aim::writable;
}

}  // namespace pvmmu::conform
