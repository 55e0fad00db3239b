// The same program under many schedules of preemption ends with the same results, tables and counts as under none
// (I14), and in between, after every piece of every call, the audit explains every count from memory.
//
// On the model alone: the real Xen cannot be told when to preempt. Programs are those of the conformance generator,
// which the real Xen answers as the model does, half of them around a tree of four levels, whose making and taking
// down are what can be preempted. Each run prints its seed; PVMMU_SEED=n replays one.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>

#include "hypervisor-model/audit.h"
#include "hypervisor-model/audit_transitions.h"
#include "tools/conform/generator.h"
#include "tools/conform/model_side.h"

namespace pvmmu::conform {
namespace {

// ---- a machine that never was

constexpr u64 first_frame = 2048;  ///< beyond what the model's dom0 takes
constexpr mfn_t l3_frame{first_frame}, probe_l4_frame{first_frame + 1}, m2p_frame{first_frame + 2};
constexpr u64 table_flags = PAGE_PRESENT | PAGE_RW | PAGE_USER | PAGE_ACCESSED | PAGE_DIRTY;

lab::machine_facts made_up_facts() {
  lab::machine_facts facts;
  facts.frames = first_frame + 512;
  facts.dom0_iomem = {{{0}, {0xfedff}}, {{0xfef00}, {0xfffffff}}};
  facts.mmio_ro = {{{0xfec00}, {0xfec00}}};
  facts.dom_xen = {{m2p_frame, m2p_frame}};
  facts.xen_l4_slots = xen::machine{{.frames = facts.frames}}.xen_l4_slots;
  facts.xen_l4_slots[xen::perdomain_slot - first_xen_slot] =
      make_pte({xen::first_perdomain_frame}, xen::PAGE_HYPERVISOR_RW);
  facts.probe_l4[511] = make_pte(l3_frame, table_flags);
  return facts;
}

lab::placement placement_of(const lab::program& p) {
  u64 next = m2p_frame.n + 1;
  const auto fresh = [&next] { return mfn_t{next++}; };
  lab::placement where{.window_va = probe::first_window_va,
                       .window_l1 = fresh(),
                       .window_l2 = fresh(),
                       .window_l3 = fresh(),
                       .probe_l4 = probe_l4_frame,
                       .shared_info = fresh(),
                       .grant_table = fresh(),
                       .m2p = m2p_frame};
  for (u32 i = 0; i < p.nr_frames; ++i) where.frames.emplace_back(fresh());
  where.frames.resize(p.nr_frames + p.nr_adopted);
  for (u32 i = 0; i < p.nr_foreign; ++i) where.foreign.push_back(fresh());
  return where;
}

// ---- schedules

/// Says at which of a run's checks, from 0 on, something else wants the processor.
struct schedule {
  std::string name;
  std::function<bool(u64 check)> preempts;
};

schedule never() {
  return {"never", [](u64) { return false; }};
}
schedule every(u64 k) {
  return {fmt::format("every {}. check", k), [k](u64 check) { return check % k == k - 1; }};
}
schedule only_at(u64 n) {
  return {fmt::format("at check {}", n), [n](u64 check) { return check == n; }};
}
schedule by_seed(u64 seed, u64 period) {
  return {fmt::format("by seed {}, one in {}", seed, period),
          [random = std::mt19937_64{seed}, period](u64) mutable { return random() % period == 0; }};
}

/// Preempts by a schedule, and audits at the end of every piece of a call.
class supervisor : public xen::preemption, public event_sink {
 public:
  supervisor(xen::machine& m, schedule s) : m_(m), transitions_(m), schedule_(std::move(s)) {
    m_.preempt_by(this);
    m_.listen(this);
  }
  ~supervisor() override {
    m_.preempt_by(nullptr);
    m_.listen(nullptr);
  }
  supervisor(const supervisor&) = delete;
  supervisor& operator=(const supervisor&) = delete;

  bool check() override { return schedule_.preempts(checks++); }
  void on_event(const event& e) override {
    if (e.kind == event_kind::call_end && found_.empty()) found_ = xen::audit(m_);
  }

  /// What the first audit found that found something, and what went wrong from one state to the next.
  std::string unsound() const {
    std::string text;
    for (const auto* findings : {&found_, &transitions_.findings()})
      for (const xen::audit_finding& f : *findings)
        text += fmt::format("{} mfn {:#x}: {}\n", f.invariant, f.mfn.n, f.text);
    return text;
  }

  u64 checks = 0;

 private:
  xen::machine& m_;
  std::vector<xen::audit_finding> found_;
  xen::transition_audit transitions_;
  schedule schedule_;
};

/// A program's run to its end, and the machine as it left it.
struct run {
  run(const lab::program& p, const schedule& s) {
    supervisor watching{model->machine(), s};
    answer = model->run(p, lab::program_answer{placement_of(p)});
    checks = watching.checks;
    unsound = watching.unsound();
  }

  std::unique_ptr<model_side> model = std::make_unique<model_side>(made_up_facts());
  lab::program_answer answer;
  u64 checks = 0;
  std::string unsound;
};

/// The first frame of all whose record differs. What tables hold besides is compared by `compare`.
std::string differing_frame(const run& a, const run& b) {
  for (mfn_t mfn{0}; mfn.n < a.model->frames(); ++mfn) {
    const xen::page_info x = a.model->frame(mfn), y = b.model->frame(mfn);
    const bool table = xen::table_level(x.type_info) != 0 && x.type_count() > 0;
    if (x.count_info != y.count_info || x.type_info != y.type_info || x.owner != y.owner ||
        (table && x.linear_pt_count() != y.linear_pt_count()))
      return fmt::format("mfn {:#x}: {:016x} {:016x}, else {:016x} {:016x}", mfn.n, y.count_info, y.type_info,
                         x.count_info, x.type_info);
  }
  return {};
}

/// What is wrong with the run under a schedule, held against the calm one.
std::string verdict(const run& calm, const run& hurried) {
  if (!hurried.unsound.empty()) return "unsound: " + hurried.unsound;
  // Where Xen loses a reference (machine::lost_references) it may depend on when it was preempted.
  if (calm.model->machine().lost_references != hurried.model->machine().lost_references) return {};
  if (const auto d = compare(calm.answer, *calm.model, hurried.answer, *hurried.model))
    return fmt::format("{}: {} instead of {}", d->where, d->model, d->real);
  if (const auto d = compare_shared(placement_of({}), *calm.model, *hurried.model))
    return fmt::format("{}: {} instead of {}", d->where, d->model, d->real);
  return differing_frame(calm, hurried);
}

// ---- programs

lab::mmuext_op one_op(u32 cmd, u32 frame) {
  return {.uops = {{.cmd = cmd, .arg1 = lab::mfn_of_frame(frame)}}, .count = 1};
}

/// Makes frames 0 to 3 of a program a tree, L4 to L1, with an L1 shared by two entries and an L2 that maps itself.
/// Returns in which slots the tables lead to the next.
std::array<u32, 3> plant_tree(lab::program& p, std::mt19937_64& random) {
  p.nr_untouched = 0;
  std::array<u32, 3> slots{};
  for (u32 table = 0; table < slots.size(); ++table) {
    slots.at(table) = static_cast<u32>(random() % first_xen_slot);
    p.contents.push_back(
        {.frame = table, .slot = static_cast<u16>(slots.at(table)), .value = lab::pte_to(table + 1, table_flags)});
  }
  p.contents.push_back({.frame = 2, .slot = 300, .value = lab::pte_to(3, table_flags)});
  p.contents.push_back({.frame = 2, .slot = 301, .value = lab::pte_to(2, table_flags & ~PAGE_RW)});
  p.calls.insert(p.calls.begin(), one_op(MMUEXT_PIN_L4_TABLE, 0));
  return slots;
}

lab::mmu_update write_entry(u32 table, u32 slot, lab::word value) {
  return {.ureqs = {{lab::entry_of(table, slot), value}}, .count = 1};
}

/// Puts calls between the program's that pin, unpin, cut and mend a tree of frames 0 to 3.
void work_on_tree(lab::program& p, std::mt19937_64& random) {
  const std::array<u32, 3> slots = plant_tree(p, random);
  const auto place = [&p, &random](lab::call c) {
    const auto at = static_cast<std::ptrdiff_t>(1 + random() % p.calls.size());
    p.calls.insert(p.calls.begin() + at, std::move(c));
  };
  for (u32 table = 0; table < slots.size(); ++table) {
    place(one_op(MMUEXT_PIN_L4_TABLE - table, table));
    place(one_op(MMUEXT_UNPIN_TABLE, table));
    place(write_entry(table, slots.at(table), lab::plain(0)));
    place(write_entry(table, slots.at(table), lab::pte_to(table + 1, table_flags)));
  }
  place(one_op(MMUEXT_NEW_USER_BASEPTR, 0));
}

u64 first_seed() {
  const char* given = std::getenv("PVMMU_SEED");
  const u64 seed = given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  fmt::print("PVMMU_SEED={}\n", seed);
  return seed;
}
u64 seeds(u64 usual) { return std::getenv("PVMMU_SEED") ? 1 : usual; }

std::vector<schedule> schedules(u64 seed, u64 checks) {
  constexpr u64 single_ones = 12;
  constexpr u64 preemptions_max = 600;  // each is audited
  std::vector<schedule> all;
  for (const u64 k : {1u, 2u, 3u, 10u, 63u, 511u})
    if (checks / k < preemptions_max) all.push_back(every(k));
  for (const u64 period : {3u, 20u, 150u, 700u})
    if (checks / period < preemptions_max) all.push_back(by_seed(seed, period));
  std::mt19937_64 random{seed};
  for (u64 i = 0; i < single_ones && checks != 0; ++i) all.push_back(only_at(random() % checks));
  return all;
}

// ---- tests

// Whenever a random program is preempted, it ends as it does without, and breaks no invariant on its way.
TEST(schedules, change_no_outcome) {
  const u64 base = first_seed();
  u64 runs = 0, preemptible = 0;
  for (u64 seed = base; seed != base + seeds(40); ++seed) {
    std::mt19937_64 random{seed};
    lab::program p = generator{seed}.next();
    if (seed % 2 == 0) work_on_tree(p, random);
    const run calm{p, never()};
    ASSERT_EQ(calm.unsound, "") << "seed " << seed;
    if (calm.checks != 0) ++preemptible;
    for (const schedule& s : schedules(seed, calm.checks)) {
      ASSERT_EQ(verdict(calm, run{p, s}), "") << "seed " << seed << ", preempted " << s.name;
      ++runs;
    }
  }
  fmt::print("{} runs of {} programs that can be preempted\n", runs, preemptible);
}

// A tree is pinned, cut in its middle and unpinned, with one preemption at each point where there can be one.
TEST(schedules, change_no_outcome_at_any_single_point) {
  const u64 seed = first_seed();
  std::mt19937_64 random{seed};
  lab::program p{.nr_frames = 4};
  const std::array<u32, 3> slots = plant_tree(p, random);
  p.calls.push_back(write_entry(1, slots.at(1), lab::plain(0)));
  p.calls.push_back(one_op(MMUEXT_UNPIN_TABLE, 0));
  const run calm{p, never()};
  ASSERT_EQ(calm.unsound, "") << "seed " << seed;
  ASSERT_GT(calm.checks, 4u * 500) << "two tables of 512 entries, up and down";
  for (u64 n = 0; n < calm.checks; ++n) ASSERT_EQ(verdict(calm, run{p, only_at(n)}), "") << "seed " << seed << " " << n;
}

}  // namespace
}  // namespace pvmmu::conform
