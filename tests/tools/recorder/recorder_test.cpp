// What sessions do, as it stands in the files that a recorder makes of it.

#include "tools/recorder/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "tests/scratch_directory.h"
#include "tools/command.h"
#include "tools/connection.h"

namespace pvmmu::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr machine_config small_machine{.frames = 1 << 14, .debug_build = true};
constexpr domain_config small_domain{.pages = 2048, .kernel_pages = 16};

class recorder_test : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return scratch.path(name); }
  recorder begin(const std::string& name) {
    return {path(name), [this](const std::string& line) { said.push_back(line); }};
  }

  const scratch_directory scratch;
  std::vector<std::string> said;
};

/// A server in this process that is recorded.
class recorded_server {
 public:
  explicit recorded_server(recorder& r) : server_({.listens = r.listens()}) {}
  guest::channel_client open(const std::string& machine_name = "", const std::string& guest = "") {
    guest::channel_client client = server_.open();
    client.hello({.machine = small_machine, .machine_name = machine_name, .guest = guest});
    return client;
  }

 private:
  in_process_server server_;
};

/// Pieces and notes in few words: "create 0", "call 0", "access 0 trap", "note step 1".
std::vector<std::string> told(const std::string& path) {
  auto reader = recording_reader::open(path);
  if (!reader) return {reader.error()};
  std::vector<std::string> words;
  for (auto record = reader->next();; record = reader->next()) {
    if (!record) return {record.error()};
    if (!*record) return words;
    const recording::piece& p = (*record)->piece();
    const char* what = p.has_create_domain()    ? "create"
                       : p.has_destroy_domain() ? "destroy"
                       : p.has_call()           ? "call"
                       : p.has_access()         ? "access"
                                                : "?";
    words.push_back((*record)->has_note() ? "note " + (*record)->note().text() : fmt::format("{} {}", what, p.domid()));
  }
}

long call(guest::channel_domain d, hypercall call, std::string_view caller) {
  return d.call(0, call, caller).value_or(-1000);
}

// The header says what machine it was and who asked; pieces say who did what in which domain and what came of it.
TEST_F(recorder_test, keeps_requests_with_their_answers) {
  recorder r = begin("x.rec");
  {
    recorded_server server(r);
    guest::channel_client client = server.open("", "a test");
    EXPECT_TRUE(client.recorded());
    const start_info info = client.create_domain(small_domain);
    guest::channel_domain d = client.domain(info.domid);
    EXPECT_EQ(call(d, unknown_call{99}, "xen_asks"), -38);
    EXPECT_TRUE(d.access(0, {.bytes = 8, .va = info.virt_base}, "reads"));
  }
  r.check();
  auto reader = recording_reader::open(path("x.rec"));
  ASSERT_TRUE(reader) << reader.error();
  EXPECT_FALSE(reader->header().real());
  EXPECT_EQ(reader->header().machine_frames(), small_machine.frames);
  EXPECT_TRUE(reader->header().debug_build());
  EXPECT_EQ(reader->header().guest(), "a test");
  const recording::piece created = (*reader->next())->piece();
  EXPECT_EQ(created.create_domain().pages(), small_domain.pages);
  const recording::piece called = (*reader->next())->piece();
  EXPECT_EQ(called.call().unknown().op(), 99u);
  EXPECT_EQ(called.outcome().result(), -38);
  EXPECT_THAT(called.callers(), ElementsAre("xen_asks"));
  const recording::piece accessed = (*reader->next())->piece();
  EXPECT_EQ(accessed.access().bytes(), 8u);
  EXPECT_TRUE(accessed.has_accessed());
  EXPECT_THAT(accessed.callers(), ElementsAre("reads"));
  EXPECT_FALSE(*reader->next()) << "nobody saw the domain go: the machine went with it";
}

// What is refused, or only looks, changed nothing and is no piece; notes stand before the piece that they came with,
// and those that nothing follows are kept as well.
TEST_F(recorder_test, keeps_notes_in_their_order) {
  recorder r = begin("x.rec");
  {
    recorded_server server(r);
    guest::channel_client client = server.open();
    client.create_domain(small_domain);
    client.note({.kind = note_kind::scenario_step, .text = "one"});
    client.query_frame({7});
    client.note({.kind = note_kind::console_line, .text = "two"});
    EXPECT_THROW(client.create_domain({.pages = 1}), guest::request_refused);
    EXPECT_EQ(call(client.domain(0), unknown_call{99}, ""), -38);
    client.note({.kind = note_kind::console_line, .text = "three"});
    client.send_notes();
  }
  EXPECT_THAT(told(path("x.rec")), ElementsAre("create 0", "note one", "note two", "call 0", "note three"));
}

// Sessions that share a machine share its recording, and one that leaves takes its domains with it: otherwise those who
// stay would not be what they were. Another machine has a file of its own, and `latest` names it.
TEST_F(recorder_test, has_a_file_for_each_machine) {
  recorder r = begin("x.rec");
  {
    recorded_server server(r);
    guest::channel_client stays = server.open("shared");
    stays.create_domain(small_domain);
    mfn_t gone{};
    {
      guest::channel_client leaves = server.open("shared");
      gone = leaves.create_domain({.kind = domain_kind::domU, .pages = 1024, .kernel_pages = 4}).p2m[0].mfn;
    }
    while (stays.query_frame(gone).owner == 1) {
    }
    guest::channel_client other = server.open();
    EXPECT_EQ(other.create_domain(small_domain).domid, 0);
    EXPECT_EQ(call(stays.domain(0), unknown_call{99}, ""), -38);
  }
  EXPECT_THAT(told(path("x.rec")), ElementsAre("create 0", "create 1", "destroy 1", "call 0"));
  EXPECT_THAT(told(path("x-2.rec")), ElementsAre("create 0"));
  EXPECT_EQ(std::filesystem::read_symlink(scratch.path("latest")), "x-2.rec");
  EXPECT_THAT(said, ElementsAre(HasSubstr("machine 2 is recorded in")));
}

// Something of that name that is no link is somebody's own.
TEST_F(recorder_test, leaves_alone_what_is_no_link) {
  std::ofstream(scratch.path("latest")) << "precious";
  {
    recorder r = begin("x.rec");
    recorded_server server(r);
    server.open();
  }
  EXPECT_EQ(std::filesystem::file_size(scratch.path("latest")), 8u);
  EXPECT_THAT(said, ElementsAre(HasSubstr("is no link, and is left alone")));
}

// What cannot be written is known before a guest runs.
TEST_F(recorder_test, says_why_it_cannot_begin) {
  EXPECT_THROW(begin("absent/x.rec"), std::runtime_error);
  EXPECT_THROW(begin("latest"), input_error);
}

// Without a recorder nobody is asked for notes, and those made all the same go nowhere.
TEST_F(recorder_test, notes_are_nothing_where_nobody_records) {
  in_process_server server;
  guest::channel_client client = server.open();
  client.hello({.machine = small_machine});
  EXPECT_FALSE(client.recorded());
  client.note({.kind = note_kind::console_line, .text = "unheard"});
  client.send_notes();
}

}  // namespace
}  // namespace pvmmu::tools
