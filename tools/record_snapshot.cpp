#include "tools/record_snapshot.h"

#include <fmt/format.h>

#include <algorithm>

#include "proto/abi/hypercall.h"
#include "tools/lab/lab_error.h"

namespace pvmmu::tools {
namespace {

xen::frame_owner owner_kind(const xen::page_info& pg) {
  if (pg.owner == xen::owner_hole) return xen::frame_owner::invalid;
  if (pg.owner == xen::owner_none || pg.ref_count() == 0) return xen::frame_owner::nobody;
  if (pg.owner == xen::owner_of(0)) return xen::frame_owner::the_domain;
  if (pg.owner == xen::owner_of(DOMID_IO)) return xen::frame_owner::dom_io;
  return pg.owner == xen::owner_of(DOMID_XEN) ? xen::frame_owner::dom_xen : xen::frame_owner::nobody;
}

bool is_table_in_use(const xen::page_info& pg) { return xen::table_level(pg.type_info) != 0 && pg.type_count() != 0; }

u64 uses_of(mfn_t mfn, const std::vector<recording::loaded_tables>& vcpus) {
  u64 uses = 0;
  for (const recording::loaded_tables& loaded : vcpus)
    uses += (loaded.kernel_mfn() == mfn.n ? 1u : 0u) + (loaded.user_mfn() == mfn.n ? 1u : 0u);
  return uses;
}

}  // namespace

machine_state read_state(const lab::memory_image& xen, std::vector<recording::loaded_tables> vcpus) {
  machine_state state;
  for (mfn_t mfn{0}; mfn.n < xen.frames(); mfn = mfn + 1) {
    const xen::page_info pg = xen.frame(mfn);
    const xen::frame_owner owner = owner_kind(pg);
    add_frame(state.frames, recorded_frame(owner, pg.count_info, pg.type_info, pg.aux));
    if (owner != xen::frame_owner::the_domain || !is_table_in_use(pg)) continue;
    std::ranges::copy(xen.words(mfn), state.tables[mfn].begin());
    const u64 pins = (pg.type_info & xen::PGT_pinned) != 0 ? 1 : 0;
    if (const u64 uses = uses_of(mfn, vcpus); xen::table_level(pg.type_info) == 4 && pg.type_count() != pins + uses)
      throw lab::lab_error(
          fmt::format("L4 {:#x} is pinned {} times and loaded {} times by what was heard, but counted "
                      "{} times in the frame table",
                      mfn.n, pins, uses, pg.type_count()));
  }
  state.vcpus = std::move(vcpus);
  return state;
}

}  // namespace pvmmu::tools
