#include "tools/timeline/timeline.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <random>

#include "hypervisor-model/domain_builder.h"
#include "hypervisor-model/guest_access.h"
#include "hypervisor-model/hypercall.h"
#include "tests/scratch_directory.h"
#include "tests/tools/recordings.h"
#include "tools/command.h"

namespace pvmmu::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class checksum {
 public:
  void add(u64 value) { sum_ = (sum_ ^ value) * 0x100000001b3 + (sum_ >> 47); }
  u64 sum() const { return sum_; }

 private:
  u64 sum_ = 0xcbf29ce484222325;
};

/// Of all frames' records, all tables, and what the vCPUs run on.
u64 checksum_of(xen::machine& m) {
  checksum c;
  for (mfn_t mfn{}; mfn.n < m.config().frames; ++mfn) {
    const xen::page_info& pg = m.page(mfn);
    for (const u64 value : {pg.count_info, pg.type_info, u64{pg.owner}, u64{pg.aux}}) c.add(value);
    if (xen::table_level(pg.type_info) == 0) continue;
    for (unsigned slot = 0; slot < entries_per_table; ++slot) c.add(m.words(mfn)[slot]);
  }
  for (const auto& d : m.domains())
    for (const auto& v : d->vcpus)
      for (const mfn_t root : {v->guest_table, v->guest_table_user}) c.add(root.n);
  return c.sum();
}

/// Of all that a step tells.
u64 checksum_of(const timeline_step& step) {
  checksum c;
  c.add(step.number);
  for (const owned_event& e : step.act.events)
    for (const u64 value : {u64(e.kind), u64{e.slot}, e.mfn.n, e.old, e.value, u64{e.text.size()}}) c.add(value);
  c.add(static_cast<u64>(step.act.result));
  for (const auto& [mfn, level] : step.act.table_levels) c.add(mfn * 8 + level);
  return c.sum();
}

u64 test_seed() {
  const char* given = std::getenv("PVMMU_TEST_SEED");
  const u64 seed = given ? std::stoull(given) : std::random_device{}();
  fmt::print("seed {}\n", seed);
  std::fflush(stdout);
  return seed;
}

std::vector<std::string> all_recordings() {
  std::vector<std::string> paths;
  for (const char* folder : {"tests/data", "tests/fidelity/recordings"})
    for (const auto& file : std::filesystem::recursive_directory_iterator(PVMMU_SOURCE_DIR + std::string("/") + folder))
      if (file.path().extension() == ".rec") paths.push_back(file.path());
  std::ranges::sort(paths);
  return paths;
}

class any_recording : public testing::TestWithParam<std::string> {};

// Each step comes once, as recorded; and whichever step is gone to from wherever, what it did and the state behind it
// are those of the one pass through all of them.
TEST_P(any_recording, any_step_from_any_other) {
  std::mt19937_64 random(test_seed());
  auto t = timeline::open(GetParam(), false);
  std::vector<u64> visits(6);
  std::ranges::generate(visits, [&] { return random() % (t.size() + 1); });
  std::map<u64, u64> states;
  std::vector<u64> acts(t.size() + 1);
  u64 passed = 0;
  for (u64 step = 0;; step = t.next(step), ++passed) {
    t.go_to(step);
    ASSERT_EQ(t.step().number, step);
    EXPECT_THAT(t.step().differences, IsEmpty());
    ASSERT_EQ(acts[step], 0u) << step;
    acts[step] = checksum_of(t.step());
    if (std::ranges::count(visits, step) != 0) states[step] = checksum_of(t.machine());
    if (t.next(step) == 0) break;
    ASSERT_EQ(t.previous(t.next(step)), step);
    if (step == t.last()) break;
  }
  EXPECT_EQ(passed, t.size());
  EXPECT_EQ(t.step().number, t.last());
  for (const u64 step : visits) {
    t.go_to(step);
    EXPECT_EQ(checksum_of(t.step()), acts[step]) << step;
    EXPECT_EQ(checksum_of(t.machine()), states[step]) << step;
  }
}

INSTANTIATE_TEST_SUITE_P(timeline, any_recording, testing::ValuesIn(all_recordings()), [](const auto& path) {
  const std::filesystem::path file = path.param;
  std::string id = file.parent_path().filename().string() + "_" + file.stem().string();
  std::ranges::replace_if(id, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return id;
});

/// A recording of mremap under 6.1: a table is moved.
std::string pmd_move() { return recording_path("l61-pmd_move"); }

// A step tells what was asked, by which functions, what came back, and what changed: here the first mmu_update.
TEST(timeline_step, tells_of_a_call) {
  auto t = timeline::open(std::string(PVMMU_SOURCE_DIR) + "/tests/fidelity/recordings/6.1/move_8m.rec", false);
  for (u64 step = t.next(0); step != 0; step = t.next(step)) {
    t.go_to(step);
    if (t.step().piece.call().has_mmu_update()) break;
  }
  const act& a = t.step().act;
  ASSERT_TRUE(a.is_call());
  EXPECT_EQ(act_name(a), "mmu_update");
  EXPECT_THAT(a.caller, HasSubstr("xen_"));
  EXPECT_EQ(a.result, t.step().piece.outcome().result());
  const auto& updates = std::get<mmu_update_call>(a.call->call()).ureqs.entries;
  EXPECT_THAT(a.table_levels, testing::Contains(testing::Key(maddr_to_mfn({updates.front().ptr}).n)));
  const auto writes = std::ranges::count(a.events, event_kind::pte, &owned_event::kind);
  EXPECT_GE(writes, 1);
}

// A store to a read-only L1 is a trap: its events are there, and the entry that they tell of is in the machine.
TEST(timeline_step, tells_of_an_emulated_store) {
  auto t = timeline::open(pmd_move(), false);
  u64 step = t.next(0);
  for (; step != 0; step = t.next(step)) {
    t.go_to(step);
    if (t.step().piece.has_write()) break;
  }
  ASSERT_NE(step, 0u);
  EXPECT_TRUE(t.step().act.is_trap());
  const std::vector<owned_event> events = t.step().act.events;
  const auto emulated = std::ranges::find(events, event_kind::emulated, &owned_event::kind);
  ASSERT_NE(emulated, events.end());
  EXPECT_EQ(t.machine().words(emulated->mfn)[emulated->slot], emulated->value);
  t.go_to(t.previous(step));
  EXPECT_EQ(t.machine().words(emulated->mfn)[emulated->slot], emulated->old);
}

// What the model does otherwise than recorded is told with the step where it does.
TEST(timeline_step, tells_what_differs) {
  const scratch_directory scratch;
  auto records = read_records(pmd_move());
  const auto spoilt = std::ranges::find_if(records, [](const auto& r) { return r.piece().call().has_mmu_update(); });
  spoilt->mutable_piece()->mutable_outcome()->set_result(-22);
  write_records(scratch.path("spoilt.rec"), records);
  auto t = timeline::open(scratch.path("spoilt.rec"), false);
  const u64 number =
      1 + static_cast<u64>(std::count_if(records.begin(), spoilt, [](const auto& r) { return r.has_piece(); }));
  t.go_to(number);
  EXPECT_THAT(t.step().differences, ElementsAre(HasSubstr("mmu_update returned 0, expected -22 (-EINVAL)")));
  t.go_to(number - 1);
  EXPECT_THAT(t.step().differences, IsEmpty());
}

// ---- recordings of the model

/// A machine on which things are done, and the recording of it.
class model_recording {
 public:
  model_recording() : m({.frames = 1 << 14, .debug_build = true}) {
    recording::header& header = *records.emplace_back().mutable_header();
    header.set_format_version(recording_format_version);
    header.set_machine_frames(m.config().frames);
    header.set_debug_build(true);
  }

  start_info create_domain() {
    const domain_config config{.pages = 2048, .kernel_pages = 16};
    recording::piece& piece = *records.emplace_back().mutable_piece();
    encode(config, *piece.mutable_create_domain());
    const start_info info = xen::build_domain(m, config).value();
    piece.set_domid(info.domid);
    done();
    return info;
  }

  void destroy_domain(domid_t domid) {
    recording::piece& piece = *records.emplace_back().mutable_piece();
    piece.set_domid(domid);
    piece.mutable_destroy_domain()->set_domid(domid);
    m.remove_domain(domid);
    done();
  }

  void call(domid_t domid, hypercall call) {
    recording::piece& piece = *records.emplace_back().mutable_piece();
    piece.set_domid(domid);
    piece.add_callers("xen_asks");
    decoded_call decoded;
    encode(call, *piece.mutable_call());
    ASSERT_TRUE(decoded.decode(piece.call()));
    const long result = xen::do_hypercall(m, *m.find_domain(domid)->vcpus[0], decoded.call());
    piece.set_crashed(m.find_domain(domid)->crashed);
    if (!piece.crashed()) decoded.encode_outcome(result, *piece.mutable_outcome());
    done();
  }

  void access(domid_t domid, const access_request& request) {
    recording::piece& piece = *records.emplace_back().mutable_piece();
    piece.set_domid(domid);
    encode(request, *piece.mutable_access());
    encode(xen::guest_access(m, *m.find_domain(domid)->vcpus[0], request), *piece.mutable_accessed());
    done();
  }

  xen::machine m;
  std::vector<recording::record> records;
  std::vector<u64> states{checksum_of(m)};  ///< behind each step

 private:
  void done() { states.push_back(checksum_of(m)); }
};

/// Two domains, loads and stores, a fault, an emulated store, a tree that is pinned and taken down, a refused call, the
/// end of a domain.
std::unique_ptr<model_recording> busy_model() {
  auto made = std::make_unique<model_recording>();
  model_recording& r = *made;
  const start_info one = r.create_domain();
  const start_info two = r.create_domain();
  for (const start_info* info : {&one, &two}) {
    const u64 page = info->virt_base + 100 * PAGE_SIZE;
    const mfn_t frame = info->p2m.front().mfn + 100;
    r.access(info->domid, {.kind = access_kind::write, .va = page, .value = make_pte(frame + 1, PAGE_PRESENT)});
    r.access(info->domid, {.va = page});
    r.call(info->domid, update_va_mapping_call{.va = page, .val = make_pte(frame, PAGE_PRESENT | PAGE_USER)});
    const mmuext_op_t pin{.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = frame.n};
    r.call(info->domid, mmuext_op_call{.uops = {.entries = {&pin, 1}}, .count = 1});
    r.call(info->domid, mmuext_op_call{.uops = {.entries = {&pin, 1}}, .count = 1});
    r.access(info->domid, {.kind = access_kind::write, .va = page, .value = 0});
    r.access(info->domid, {.va = 0x1000});
    const mmu_update_t store{.ptr = mfn_to_maddr(frame, 8).bytes, .val = make_pte(frame + 2, PAGE_PRESENT)};
    r.call(info->domid, mmu_update_call{.ureqs = {.entries = {&store, 1}}, .count = 1});
  }
  r.destroy_domain(two.domid);
  return made;
}

// What the model did it does again: each answer, and the state behind each step, wherever one comes from.
TEST(timeline_of_the_model, builds_what_was_there) {
  const scratch_directory scratch;
  const auto r = busy_model();
  write_records(scratch.path("x.rec"), r->records);
  auto t = timeline::open(scratch.path("x.rec"), false);
  ASSERT_EQ(t.size() + 1, r->states.size());
  std::vector<u64> visits(t.size() + 1);
  std::iota(visits.begin(), visits.end(), 0);
  for (int round = 0; round < 3; ++round) {
    for (const u64 step : visits) {
      t.go_to(step);
      EXPECT_EQ(checksum_of(t.machine()), r->states[step]) << step;
      EXPECT_THAT(t.step().differences, IsEmpty());
    }
    std::ranges::reverse(visits);
  }
}

// Loads and stores are acts with what they came to, traps and faults among them; a call has its results.
TEST(timeline_of_the_model, tells_of_accesses) {
  const scratch_directory scratch;
  write_records(scratch.path("x.rec"), busy_model()->records);
  auto t = timeline::open(scratch.path("x.rec"), false);
  t.go_to(1);
  EXPECT_FALSE(t.step().act.is_call());
  EXPECT_TRUE(t.step().piece.has_create_domain());
  t.go_to(4);
  EXPECT_EQ(t.step().act.access.kind, access_kind::read);
  EXPECT_TRUE(present(t.step().act.outcome.value));
  t.go_to(6);
  EXPECT_EQ(act_name(t.step().act), "mmuext_op");
  EXPECT_EQ(t.step().act.caller, "xen_asks");
  EXPECT_THAT(t.step().act.events, testing::Contains(testing::Field(&owned_event::kind, event_kind::validated)));
  t.go_to(7);
  EXPECT_TRUE(failed(t.step().act)) << "it is pinned already";
  EXPECT_THAT(t.step().act.events, testing::Contains(testing::Field(&owned_event::kind, event_kind::message)));
  t.go_to(8);
  EXPECT_TRUE(t.step().act.is_trap());
  t.go_to(9);
  EXPECT_TRUE(t.step().act.outcome.fault);
  t.go_to(10);
  EXPECT_THAT(t.step().act.table_levels, ElementsAre(testing::Pair(testing::_, 1u)));
}

// An answer that is not the model's is a difference; what cannot be done at all is an error.
TEST(timeline_of_the_model, tells_what_differs) {
  const scratch_directory scratch;
  const auto good = busy_model()->records;
  const auto after = [&](u64 step, auto spoil) {
    auto records = good;
    spoil(*records[step].mutable_piece());
    write_records(scratch.path("x.rec"), records);
    auto t = timeline::open(scratch.path("x.rec"), false);
    try {
      t.go_to(step);
    } catch (const input_error& e) {
      return std::string(e.what());
    }
    return t.step().differences.empty() ? "as recorded" : t.step().differences.front();
  };
  using piece = recording::piece;
  EXPECT_THAT(after(1, [](piece& p) { p.set_domid(5); }), HasSubstr("piece 1: domain 0 was built, expected 5"));
  EXPECT_THAT(after(4, [](piece& p) { p.mutable_accessed()->set_value(1); }), HasSubstr("piece 4: the access came to"));
  EXPECT_THAT(after(6, [](piece& p) { p.mutable_outcome()->set_result(-1); }),
              HasSubstr("piece 6: mmuext_op returned 0, expected -1 (-EPERM)"));
  EXPECT_THAT(after(6, [](piece& p) { p.mutable_outcome()->set_done(1); }), HasSubstr("piece 6: the call came to"));
  EXPECT_THAT(after(6, [](piece& p) { p.set_crashed(true); }),
              HasSubstr("piece 6: domain 0 goes on, expected that it is crashed"));
  EXPECT_THAT(after(6, [](piece& p) { p.set_domid(7); }), HasSubstr("piece 6: of domain 7, which is not there"));
  EXPECT_THAT(after(6, [](piece& p) { p.set_vcpu(3); }), HasSubstr("piece 6: of vCPU 3 of domain 0, which has 1"));
  EXPECT_THAT(after(4, [](piece& p) { p.mutable_access()->set_bytes(300); }), HasSubstr("piece 4: "));
  EXPECT_THAT(after(2, [](piece& p) { p.mutable_create_domain()->set_pages(100000); }), HasSubstr("piece 2: "));
  EXPECT_THAT(
      after(2, [](piece& p) { p.mutable_create_domain()->set_pages(1 << 22); }),
      HasSubstr("piece 2: a domain of 4194304 frames beside 2048 of others: recordings are played whose domains "
                "have at most 4194304 (16 GiB) together"));
}

// Whatever a byte of a recording is instead: what comes of it is told, and nothing else happens.
TEST(timeline_of_the_model, survives_any_piece) {
  std::mt19937_64 random(test_seed());
  const scratch_directory scratch;
  const auto good = busy_model()->records;
  int refused = 0;
  int different = 0;
  for (int round = 0; round < 400; ++round) {
    auto records = good;
    recording::record& spoilt = records[1 + random() % (records.size() - 1)];
    std::string bytes = spoilt.piece().SerializeAsString();
    bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    if (!spoilt.mutable_piece()->ParseFromString(bytes)) continue;
    write_records(scratch.path("x.rec"), records);
    auto t = timeline::open(scratch.path("x.rec"), false);
    bool differs = false;
    try {
      for (u64 step = 0; step <= t.size(); ++step) {
        t.go_to(step);
        differs = differs || !t.step().differences.empty();
      }
    } catch (const input_error& e) {
      EXPECT_THAT(e.what(), HasSubstr("x.rec: piece "));
      ++refused;
    }
    different += differs ? 1 : 0;
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(different, 0);
}

// A file that is none, and a step that cannot be made, are errors that say what is wrong; the timeline stays usable.
TEST(timeline_errors, teach) {
  EXPECT_THROW(
      try { timeline::open("/nowhere.rec", false); } catch (const input_error& e) {
        EXPECT_THAT(e.what(), HasSubstr("/nowhere.rec: cannot be read"));
        throw;
      },
      input_error);

  const scratch_directory scratch;
  auto records = read_records(pmd_move());
  const auto third = std::ranges::find_if(records, &recording::record::has_piece) + 2;
  third->mutable_piece()->clear_asked();
  write_records(scratch.path("spoilt.rec"), records);
  auto t = timeline::open(scratch.path("spoilt.rec"), false);
  try {
    t.go_to(5);
    ADD_FAILURE();
  } catch (const input_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("spoilt.rec: piece 3 asks for nothing"));
  }
  EXPECT_EQ(t.step().number, 0u);
  t.go_to(2);
  EXPECT_EQ(t.step().number, 2u);
}

}  // namespace
}  // namespace pvmmu::tools
