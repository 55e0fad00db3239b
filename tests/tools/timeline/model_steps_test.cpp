// Long recordings of the model are entered in the middle, at images of the machine.

#include "tools/timeline/model_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "hypervisor-model/machine_image.h"
#include "tests/scratch_directory.h"
#include "tests/tools/long_run.h"
#include "tools/command.h"
#include "tools/recorder/machine_recorder.h"
#include "tools/timeline/timeline.h"

namespace pvmmu::tools {
namespace {

using testing::HasSubstr;

constexpr u64 seed = 17;
constexpr u64 requests = 40'000;

/// Records `requests` requests, once for all tests.
class model_steps_test : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch = std::make_unique<scratch_directory>();
    xen::server_listener* listens = nullptr;
    long_run run(seed, [&](const xen::machine& m, const wire::hello_request& first) {
      auto made = std::make_unique<machine_recorder>(recording_writer::create_live(path()).value(), m, first,
                                                     [](const std::string& error) { ADD_FAILURE() << error; });
      listens = made.get();
      return made;
    });
    while (run.requests() < requests) {
      if (run.requests() == 100) listens->on_note(note_of_name("early", 0x111));
      if (run.requests() == requests - 100) listens->on_note(note_of_name("late", 0x222));
      run.step();
    }
    listens->on_note(note_of_name("last", 0x333));
  }
  static void TearDownTestSuite() { scratch.reset(); }

  static wire::note note_of_name(const std::string& text, u64 mfn) {
    wire::note note;
    note.set_kind(wire::note::frame_name);
    note.set_text(text);
    note.set_mfn(mfn);
    return note;
  }

  static std::string path() { return scratch->path("long.rec"); }

  /// Behind how many pieces the recording has images.
  static std::vector<u64> images() {
    std::vector<u64> found;
    for (const stream_begin& stream : find_streams(path()))
      if (stream.has_image) found.push_back(stream.pieces_before);
    return found;
  }

  /// The recording with another first record of its first image.
  static std::string with_other_image(const std::function<void(recording::machine_image&)>& change) {
    const std::string other = scratch->path("other.rec");
    auto reader = recording_reader::open(path()).value();
    auto writer = recording_writer::create(other).value();
    recording::record header;
    *header.mutable_header() = reader.header();
    writer.add(header);
    for (auto record = reader.next().value(); record; record = reader.next().value()) {
      if (record->has_machine_image()) change(*record->mutable_machine_image());
      writer.add(*record);
    }
    EXPECT_TRUE(writer.finish().has_value());
    return other;
  }

  static inline std::unique_ptr<scratch_directory> scratch;
};

// An image holds all that the machine was: another machine that was asked the same is as the image says.
TEST_F(model_steps_test, images_are_the_machine) {
  const model_steps steps(path());
  ASSERT_EQ(steps.size(), requests);
  ASSERT_GE(images().size(), 2u);
  long_run again(seed);
  for (const u64 made : images()) {
    while (again.requests() < made) again.step();
    EXPECT_EQ(steps.image_before(made), made);
    EXPECT_LT(steps.image_before(made - 1), made);
    EXPECT_TRUE(save(*steps.machine_behind(made)) == save(again.machine())) << "behind " << made << " pieces";
  }
}

// Wherever a timeline goes, near an image or far from it, forward or back: the machine is as it was, and no answer is
// another than the recorded one.
TEST_F(model_steps_test, every_step_is_there) {
  const u64 image = images().back();
  std::vector<u64> numbers{1, 2, image - 1, image, image + 1, image + 200, requests - 1, requests};
  auto t = timeline::open(path(), false);
  EXPECT_EQ(t.size(), requests);
  EXPECT_EQ(t.torn(), std::nullopt);
  long_run again(seed);
  for (const u64 number : numbers) {
    while (again.requests() < number) again.step();
    auto fresh = timeline::open(path(), false);
    for (timeline* each : {&t, &fresh}) {
      each->go_to(number);
      EXPECT_TRUE(save(each->machine()) == save(again.machine())) << number;
      EXPECT_THAT(each->step().differences, testing::IsEmpty()) << number;
      EXPECT_EQ(each->step().number, number);
    }
  }
  t.go_to(image);
  const xen::machine_image there = save(t.machine());
  t.go_to(requests / 2);
  t.go_to(image);
  EXPECT_TRUE(save(t.machine()) == there);
}

// Frames have their names wherever a reader begins, and only what names some is unpacked for them.
TEST_F(model_steps_test, names) {
  model_steps steps(path());
  std::vector<std::string> names;
  for (const wire::note& note : steps.names()) names.push_back(note.text());
  EXPECT_THAT(names, testing::ElementsAre("early", "late", "last"));
  const auto streams = find_streams(path());
  EXPECT_LT(std::ranges::count_if(streams, &stream_begin::has_names), std::ssize(streams));
}

// What is said before a step is there whole, however much it is: no stream begins between it and its step.
TEST_F(model_steps_test, long_talk) {
  const std::string talk = scratch->path("talk.rec");
  constexpr u64 said = 3000;
  long_run run(seed, [&](const xen::machine& m, const wire::hello_request& first) {
    auto recorder = std::make_unique<machine_recorder>(recording_writer::create_live(talk).value(), m, first,
                                                       [](const std::string& error) { ADD_FAILURE() << error; });
    std::mt19937_64 random(seed);
    for (u64 i = 0; i < said; ++i) {
      std::string text;
      while (text.size() < 400) text += std::to_string(random());
      recorder->on_note(note_of_name(text, i));
    }
    return recorder;
  });
  run.step();
  model_steps steps(talk);
  EXPECT_GT(std::filesystem::file_size(talk), 400'000u) << "more than a stream";
  EXPECT_EQ(steps.notes_before(0).size(), said);
}

// Images of a model that is not this one are passed over.
TEST_F(model_steps_test, images_of_other_versions) {
  const std::string other = with_other_image([](recording::machine_image& image) { image.set_version(99); });
  const model_steps steps(other);
  EXPECT_EQ(steps.image_before(requests - 1), 0u);
  auto t = timeline::open(other, false);
  t.go_to(images().front() + 1);
  EXPECT_THAT(t.step().differences, testing::IsEmpty());
}

// An image that contradicts itself is an error that names the file.
TEST_F(model_steps_test, wrong_images) {
  const std::string other = with_other_image([](recording::machine_image& image) { image.set_heap_free_list(700); });
  auto t = timeline::open(other, false);
  try {
    t.go_to(requests);
    ADD_FAILURE() << "an error is expected";
  } catch (const input_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("other.rec"));
    EXPECT_THAT(e.what(), HasSubstr("contradicts itself"));
  }
  EXPECT_EQ(t.step().number, 0u);
  t.go_to(1);
}

}  // namespace
}  // namespace pvmmu::tools
