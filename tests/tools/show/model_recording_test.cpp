#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "proto/codec.h"
#include "tools/recording_file.h"
#include "tools/show/show_text.h"
#include "tools/show/step_source.h"

namespace pvmmu::tools {
namespace {

using testing::HasSubstr;

/// A recording of the model: a domain is built, a scenario says what it does and names a frame, and a call is refused.
class model_recording : public testing::Test {
 protected:
  model_recording() {
    auto writer = recording_writer::create(path);
    recording::record header;
    header.mutable_header()->set_format_version(recording_format_version);
    header.mutable_header()->set_guest("a \x1b[2Jscenario");
    header.mutable_header()->set_machine_frames(65536);
    header.mutable_header()->set_debug_build(true);
    writer->add(header);
    recording::record built;
    encode(domain_config{}, *built.mutable_piece()->mutable_create_domain());
    writer->add(built);
    say(*writer, wire::note::scenario_step, "step 1  unpin what is not pinned");
    say(*writer, wire::note::interlude, "preempted: nothing much");
    say(*writer, wire::note::frame_name, "l1", 0x2345);
    recording::record refused;
    wire::mmuext_op_call& call = *refused.mutable_piece()->mutable_call()->mutable_mmuext_op();
    call.set_count(1);
    call.add_uops()->set_cmd(MMUEXT_UNPIN_TABLE);
    call.mutable_uops(0)->set_arg1(0x2345);
    refused.mutable_piece()->mutable_outcome()->set_result(-22);
    writer->add(refused);
    say(*writer, wire::note::console_line, "that was all");
    EXPECT_TRUE(writer->finish());
  }
  ~model_recording() override { std::filesystem::remove(path); }

  static void say(recording_writer& writer, wire::note::note_kind kind, const std::string& text, u64 mfn = 0) {
    recording::record r;
    r.mutable_note()->set_kind(kind);
    r.mutable_note()->set_text(text);
    r.mutable_note()->set_mfn(mfn);
    writer.add(r);
  }

  const std::string path = std::filesystem::temp_directory_path() / fmt::format("pvmmu-show-test-{}.rec", getpid());
};

// What the guest's side said stands where it was said, frames have their names, and what failed says so; a recording's
// own words cannot steer the terminal.
TEST_F(model_recording, is_shown_with_what_was_said) {
  timeline t = timeline::open(path, false);
  std::string all;
  show_text(t, {.path = path}, false, [&](const std::string& piece) { all += piece; });
  EXPECT_THAT(all, testing::StartsWith("a ?[2Jscenario\n"));
  EXPECT_THAT(all, HasSubstr("  1  d0 is built: 16384 pages, 1 vCPU\nstep 1  unpin what is not pinned\n  preempted: "
                             "nothing much\n  2  mmuext_op"));
  EXPECT_THAT(all, HasSubstr("mmuext_op = -EINVAL"));
  EXPECT_THAT(all, HasSubstr("UNPIN_TABLE mfn 0x2345 \"l1\""));
  EXPECT_THAT(all, HasSubstr("mfn 02345 not pinned\n  Linux: that was all\n"));
  EXPECT_EQ(all.find('\x1b'), std::string::npos);
}

// The browser's facts of such a step: it failed, it begins a step of the scenario, and it is about the frame it names,
// though nothing changed.
TEST_F(model_recording, has_steps_to_be_found) {
  timeline t = timeline::open(path, false);
  timeline_steps steps(t);
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_FALSE(steps.facts(0).failed);
  const step_facts& f = steps.facts(1);
  EXPECT_TRUE(f.failed);
  EXPECT_TRUE(f.begins_step);
  EXPECT_FALSE(f.differs);
  EXPECT_THAT(f.frames, testing::Contains(0x2345u));
}

}  // namespace
}  // namespace pvmmu::tools
