// Which entry of a call was refused: in a call that was preempted and continued, and in a grant operation, which says
// so in the entry itself.

#include <gmock/gmock.h>

#include <array>

#include "proto/codec.h"
#include "tests/scratch_directory.h"
#include "tools/recording_file.h"
#include "tools/report/paint.h"
#include "tools/why/refusal_text.h"

namespace pvmmu::tools {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// A recording of the model: a domain is built, and makes one call.
class one_call : public testing::Test {
 protected:
  /// Records `call`, preempted at these of its checks, and says what of it was refused.
  std::vector<refused_operation> refused(const hypercall& call, std::initializer_list<u32> preempted_checks = {}) {
    const std::string path = scratch_.path("x.rec");
    auto writer = recording_writer::create(path).value();
    recording::record header;
    header.mutable_header()->set_format_version(recording_format_version);
    header.mutable_header()->set_machine_frames(65536);
    writer.add(header);
    recording::record built;
    encode(domain_config{}, *built.mutable_piece()->mutable_create_domain());
    writer.add(built);
    recording::record called;
    encode(call, *called.mutable_piece()->mutable_call());
    for (const u32 check : preempted_checks) called.mutable_piece()->add_preempted_checks(check);
    writer.add(called);
    EXPECT_TRUE(writer.finish());
    timeline t = timeline::open(path, false);
    auto found = refusals_of(t, 2);
    EXPECT_TRUE(has_refusal(t.step()));
    text = paint(refusal_text(t.step(), found), false);
    return found;
  }

  std::string text;

 private:
  const scratch_directory scratch_;
};

constexpr mmuext_op_t flush{.cmd = MMUEXT_TLB_FLUSH_LOCAL};
constexpr mmuext_op_t wrong_unpin{.cmd = MMUEXT_UNPIN_TABLE, .arg1 = 0x2345};

// Pieces of a continued call count their entries from 0 again; what is told is the entry of the call.
TEST_F(one_call, preempted_twice) {
  std::array ops{flush, flush, flush, wrong_unpin};
  const auto found = refused(mmuext_op_call{.uops = {ops}, .count = 4, .foreigndom = DOMID_SELF}, {1, 2});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found.front().path, ElementsAre(3));
  EXPECT_THAT(text, HasSubstr("mmuext_op entry 3: UNPIN_TABLE 0x2345 with -EINVAL"));
}

// The same within a multicall, which is continued with the call that was preempted.
TEST_F(one_call, preempted_within_a_multicall) {
  std::array first{flush};
  std::array ops{flush, flush, wrong_unpin};
  std::array<multicall_entry, 2> list;
  list[0].call = mmuext_op_call{.uops = {first}, .count = 1, .foreigndom = DOMID_SELF};
  list[1].call = mmuext_op_call{.uops = {ops}, .count = 3, .foreigndom = DOMID_SELF};
  for (const auto checks : {std::initializer_list<u32>{}, {1}, {2}, {3}, {1, 2, 3}}) {
    const auto found = refused(multicall_call{.call_list = list, .nr_calls = 2}, checks);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_THAT(found.front().path, ElementsAre(1, 2));
  }
}

// Each entry of a grant operation has its status, and its rule.
TEST_F(one_call, grants) {
  std::array<gnttab_map_grant_ref_t, 2> maps{{{.flags = 0}, {.flags = GNTMAP_host_map, .dom = 99}}};
  const auto mapped = refused(grant_table_op_call{.uop = std::span(maps), .count = 2});
  ASSERT_EQ(mapped.size(), 2u);
  EXPECT_THAT(mapped[0].path, ElementsAre(0));
  EXPECT_EQ(mapped[0].result, GNTST_bad_gntref);
  EXPECT_THAT(mapped[1].path, ElementsAre(1));
  EXPECT_EQ(mapped[1].result, GNTST_bad_domain);
  EXPECT_THAT(text, AllOf(HasSubstr("map_grant_ref entry 1: grant 0 of d99 at 0x0 with GNTST_bad_domain"),
                          HasSubstr("A mapping is for the host, for devices or for both"),
                          HasSubstr("The domain whose grants are asked for must exist.")));
  std::array<gnttab_unmap_grant_ref_t, 1> unmaps{{{.host_addr = 0x1000, .handle = 7}}};
  const auto unmapped = refused(grant_table_op_call{.uop = std::span(unmaps), .count = 1});
  ASSERT_EQ(unmapped.size(), 1u);
  EXPECT_THAT(text, AllOf(HasSubstr("entry 0: handle 7 at 0x1000 with GNTST_bad_handle"),
                          HasSubstr("A handle names a mapping that is there.")));
}

}  // namespace
}  // namespace pvmmu::tools
