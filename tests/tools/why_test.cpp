// `pvmmu why`, as a user calls it.

#include <gmock/gmock.h>

#include <algorithm>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <memory>

#include "tests/scratch_directory.h"
#include "tests/tools/pvmmu_command.h"
#include "tests/tools/recordings.h"

namespace pvmmu::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// A recording of the scenario double-pin, which goes with the test.
class why : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch = std::make_unique<scratch_directory>();
    const ended e = pvmmu("run --quiet --record " + of_model() + " " PVMMU_SOURCE_DIR "/examples/double-pin.textproto");
    ASSERT_EQ(e.status, 0) << e.out;
  }
  static void TearDownTestSuite() { scratch.reset(); }
  static std::string of_model() { return scratch->path("double-pin.rec"); }

  static inline std::unique_ptr<scratch_directory> scratch;
};

boost::json::value json_of(const std::string& arguments) {
  const ended e = pvmmu("--json why " + arguments, "2>/dev/null");
  EXPECT_EQ(e.status, 0) << e.out;
  EXPECT_EQ(std::count(e.out.begin(), e.out.end(), '\n'), 1) << "one line";
  return boost::json::parse(e.out);
}

// Where the model began with nothing, what a domain has from its birth is the step's that built it.
TEST_F(why, a_frame_of_the_model) {
  const ended e = pvmmu("why " + of_model() + " --mfn 0x233");
  EXPECT_EQ(e.status, 0);
  EXPECT_THAT(e.out, AllOf(HasSubstr("its owner, d0"), HasSubstr("step 1, create_domain"),
                           HasSubstr("in all, as the frame's record says"), Not(HasSubstr("before the recording"))));
  EXPECT_THAT(pvmmu("why " + of_model() + " --mfn 233 --step 0").out, HasSubstr("nobody holds it"));
}

// Of the real thing Xen itself holds what no snapshot tells of, and what was there first has no step.
TEST_F(why, a_frame_of_the_real_thing) {
  const ended e = pvmmu("why " + recording_path("l61-fork") + " --mfn 329e6 --step 51");
  EXPECT_EQ(e.status, 0);
  EXPECT_THAT(e.out, AllOf(HasSubstr("mfn 0x329e6 behind step 51"), HasSubstr("its owner, d0"),
                           HasSubstr("before the recording"), HasSubstr("in all, as the frame's record says")));
}

// The same as JSON: each holder with the step that made it, and the sum.
TEST_F(why, a_frame_as_json) {
  const boost::json::value v = json_of(of_model() + " --mfn 233");
  EXPECT_EQ(v.at("mfn").as_string(), "0x233");
  const auto& holders = v.at("holders").as_array();
  ASSERT_FALSE(holders.empty());
  EXPECT_EQ(holders.front().at("since").at("step").to_number<int>(), 1);
}

// The first refusal, or that of a step; a step without one says where there are some.
TEST_F(why, a_refusal) {
  const ended first = pvmmu("why " + of_model() + " --refused");
  EXPECT_EQ(first.status, 0);
  EXPECT_THAT(first.out, AllOf(HasSubstr("multicall entry 1: mmuext_op entry 0: PIN_L1_TABLE"),
                               HasSubstr("A table is pinned once"), HasSubstr("as L1 by the pin; since step"),
                               HasSubstr("1 of its type count, 1 of its count: Xen's own, only while it decides"),
                               HasSubstr("4.17 arch/x86/mm.c:3588")));
  const boost::json::value v = json_of(of_model() + " --refused");
  EXPECT_EQ(v.at("refused").at(0).at("result").to_number<int>(), -22);
  const std::string step = std::to_string(v.at("step").to_number<int>());
  EXPECT_EQ(pvmmu("why " + of_model() + " --refused " + step).out, first.out);
  const ended other = pvmmu("why " + of_model() + " --refused 1");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.out, HasSubstr("nothing was refused in this step, but in " + step));
}

// Bad usage says what is expected.
TEST_F(why, what_cannot_be_asked) {
  const auto complaint = [](const std::string& arguments) {
    const ended e = pvmmu("why " + of_model() + " " + arguments);
    EXPECT_EQ(e.status, 2) << arguments;
    return e.out;
  };
  EXPECT_THAT(complaint(""), HasSubstr("--mfn HEX or --refused [N] is expected"));
  EXPECT_THAT(complaint("--mfn x"), HasSubstr("a hexadecimal number is expected"));
  EXPECT_THAT(complaint("--mfn fffffff"), HasSubstr("the machine has frames below"));
  EXPECT_THAT(complaint("--mfn 233 --step 99999999"), HasSubstr("or last is expected"));
  EXPECT_THAT(complaint("--mfn 233 --refused"), HasSubstr("excludes"));
  EXPECT_EQ(pvmmu("why /nowhere/x.rec --mfn 1").status, 2);
}

}  // namespace
}  // namespace pvmmu::tools
