// The state of a machine that stands still, as a recording has it.

#include "tools/record_snapshot.h"

#include <gtest/gtest.h>

#include <array>

#include "proto/abi/hypercall.h"
#include "tools/lab/lab_error.h"

namespace pvmmu::tools {
namespace {

using xen::frame_owner;

/// A few frames: dom0's L4, a page of its data, one of another domain, a free one, a hole.
class few_frames : public lab::memory_image {
 public:
  static constexpr u64 l4 = 0;
  u64 frames() const override { return all.size(); }
  xen::page_info frame(mfn_t mfn) const override { return all[mfn.n]; }
  std::span<const u64, entries_per_table> words(mfn_t) const override { return table; }

  std::array<xen::page_info, 5> all{};
  std::array<u64, entries_per_table> table{0x63};

  few_frames() {
    all[l4] = {.count_info = xen::PGC_allocated | 3,
               .type_info = xen::PGT_l4_page_table | xen::PGT_pinned | xen::PGT_validated | 2,
               .owner = xen::owner_of(0),
               .aux = 512};
    all[1] = {.count_info = xen::PGC_allocated | 2,
              .type_info = xen::PGT_writable_page | xen::PGT_validated | 1,
              .owner = xen::owner_of(0),
              .aux = 0x1234};  // a time of Xen's
    all[2] = {.count_info = xen::PGC_allocated | 1, .owner = xen::owner_of(7)};
    all[3] = {.count_info = xen::PGC_state_free};
    all[4] = {.owner = xen::owner_hole};
  }
};

std::vector<recording::loaded_tables> loads(u64 kernel_mfn) {
  recording::loaded_tables loaded;
  loaded.set_kernel_mfn(kernel_mfn);
  loaded.set_user_mfn(few_frames::l4 + 100);
  return {loaded};
}

// dom0's frames are kept whole, tables with their contents; of others it is kept that they are nobody's, or none.
TEST(record_snapshot, keeps_what_is_dom0s) {
  const few_frames machine;
  const machine_state state = read_state(machine, loads(few_frames::l4));
  ASSERT_EQ(state.frames.size(), 4u);
  EXPECT_EQ(state.frames[0].state,
            (xen::frame_record{frame_owner::the_domain, machine.all[0].count_info, machine.all[0].type_info, 512}));
  EXPECT_EQ(state.frames[1].state.aux, 0u);
  EXPECT_EQ(state.frames[2].state.owner, frame_owner::nobody);
  EXPECT_EQ(state.frames[2].length, 2u);
  EXPECT_EQ(state.frames[3].state.owner, frame_owner::invalid);
  ASSERT_EQ(state.tables.size(), 1u);
  EXPECT_EQ(state.tables.at(mfn_t{few_frames::l4})[0], 0x63u);
}

// What the vCPUs were heard to run on must be what the frame table counts.
TEST(record_snapshot, refuses_tables_that_are_counted_otherwise) {
  EXPECT_THROW(read_state(few_frames{}, loads(few_frames::l4 + 1)), lab::lab_error);
}

}  // namespace
}  // namespace pvmmu::tools
