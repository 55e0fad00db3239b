// --audit of `run` and `replay`, as a user calls it.

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "tests/scratch_directory.h"
#include "tests/tools/pvmmu_command.h"
#include "tests/tools/recordings.h"

namespace pvmmu::tools {
namespace {

using testing::HasSubstr;

const std::string scenario = PVMMU_SOURCE_DIR "/examples/refusals.textproto";

boost::json::value json_of(const std::string& arguments) {
  const ended e = pvmmu("--json " + arguments, "2>/dev/null");
  EXPECT_EQ(e.status, 0) << e.out;
  return boost::json::parse(e.out);
}

// A run is audited behind each of its steps, or at the end, whether its recording is to stay or not.
TEST(audit_option, of_a_run) {
  const ended each = pvmmu("run " + scenario + " --audit each");
  EXPECT_EQ(each.status, 0);
  EXPECT_THAT(each.out, HasSubstr("audited behind each of "));
  EXPECT_THAT(each.out, HasSubstr(" steps: sound\n"));
  const scratch_directory scratch;
  const ended end = pvmmu("run " + scenario + " --audit end --record " + scratch.path("x.rec"));
  EXPECT_THAT(end.out, HasSubstr("audited behind the last of "));
  EXPECT_EQ(pvmmu("replay " + scratch.path("x.rec") + " --audit each").status, 0);
  const boost::json::value v = json_of("run " + scenario + " --audit each");
  EXPECT_TRUE(v.at("audits").at(0).at("violation").is_null());
  EXPECT_GT(v.at("audits").at(0).at("steps").to_number<int>(), 10);
}

// A replay of the real thing is held against what Xen held before the recording.
TEST(audit_option, of_a_replay) {
  const ended end = pvmmu("replay " + recording_path("l61-touch") + " --audit end");
  EXPECT_EQ(end.status, 0);
  EXPECT_THAT(end.out, HasSubstr(" steps: sound\n"));
  EXPECT_TRUE(json_of("replay " + recording_path("l61-exec") + " --audit end").at("audit").at("violation").is_null());
}

// What cannot be audited, and words that are none.
TEST(audit_option, what_cannot_be_asked) {
  EXPECT_EQ(pvmmu("run " + scenario + " --audit sometimes").status, 2);
  const ended e = pvmmu("run " + scenario + " --audit each --connect unix:/nowhere/sock");
  EXPECT_EQ(e.status, 2);
  EXPECT_THAT(e.out, HasSubstr("pvmmu serve --record"));
}

}  // namespace
}  // namespace pvmmu::tools
