#include "tests/conformance/probe/grants.h"

#include "tests/conformance/probe/console.h"
#include "tests/conformance/probe/hypercalls.h"

namespace pvmmu::probe {
namespace {

constexpr u32 reserved_grants = 8;  ///< GNTTAB_NR_RESERVED_ENTRIES

}  // namespace

grant_pool::grant_pool(u64 (&mfns)[nr_grant_frames]) : next_(reserved_grants) {
  gnttab_setup_table setup{DOMID_SELF, nr_grant_frames, 0, address_of(mfns)};
  if (hypercall(HYPERVISOR_grant_table_op, GNTTABOP_setup_table, address_of(&setup), 1) != 0 || setup.status != 0)
    lost("setup_table");
}

u32 grant_pool::take(u32 nr) {
  if (nr == 0) return 0;
  const u32 room = grants_per_frame - next_ % grants_per_frame;
  if (nr > room) next_ += room;
  if (next_ + nr > nr_grant_frames * grants_per_frame || nr > grants_per_frame) lost("no grants left", nr);
  const u32 first = next_;
  next_ += nr;
  return first;
}

}  // namespace pvmmu::probe
