// Captures and recordings of Debian's kernels, held against the model's kernel; and whether one that was spoilt is
// found out.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tools/compare/comparison.h"
#include "tools/compare/operation.h"

namespace pvmmu::compare {
namespace {

/// Paths from tests/ on.
struct capture {
  const char* name;
  const char* recording;
  const char* workload;
  const char* profile;
};

constexpr capture captures[] = {{"l61_touch", "data/l61-touch", "tools/compare/captures/touch", "6.1"},
                                {"l61_pmd_move", "data/l61-pmd_move", "tools/compare/captures/pmd_move", "6.1"},
                                {"l61_mprotect", "data/l61-mprotect", "tools/compare/captures/mprotect", "6.1"},
                                {"l612_pmd_move8", "data/l612-pmd_move8", "tools/compare/captures/pmd_move8", "6.12"},
                                {"ns61_pmd_move", "data/ns61-pmd_move", "tools/compare/captures/pmd_move", "6.1"},
                                {"fork_cow", "fidelity/recordings/6.1/fork_cow", "fidelity/fork_cow", "6.1"}};

call_stream stream_of(const capture& c) {
  return read_calls(fmt::format("{}/tests/{}.rec", PVMMU_SOURCE_DIR, c.recording));
}

tools::scenario_file scenario_of(const capture& c) {
  return tools::scenario_file::read(fmt::format("{}/tests/{}.textproto", PVMMU_SOURCE_DIR, c.workload));
}

comparison compared(const capture& c, const call_stream& stream) {
  return compare(stream, scenario_of(c), *guest::find_kernel_profile(c.profile));
}

class real_capture : public testing::TestWithParam<capture> {};

// The model's kernel asks what the real one asked, in the same order, with the same boundaries, to the process's end.
TEST_P(real_capture, is_what_the_model_asks) {
  const comparison c = compared(GetParam(), stream_of(GetParam()));
  EXPECT_EQ(c.differ, 0u) << c.real.calls[c.first_difference.value_or(0)].text();
  EXPECT_TRUE(c.alike()) << c.begins_otherwise;
  EXPECT_GT(c.real.calls.size(), 50u);
  EXPECT_TRUE(c.real.ended);
  EXPECT_TRUE(c.model.ended);
}

// ---- spoilt captures

constexpr u64 accessed_dirty = PAGE_ACCESSED | PAGE_DIRTY;

wire::hypercall* some_call(recording::piece& piece, std::mt19937& random) {
  if (!piece.has_call()) return nullptr;
  if (!piece.call().has_multicall()) return piece.mutable_call();
  auto& list = *piece.mutable_call()->mutable_multicall()->mutable_call_list();
  return list.empty() ? nullptr : list.Mutable(static_cast<int>(random() % static_cast<unsigned>(list.size())));
}

/// Flips a bit that the processor does not set.
bool flip_a_flag(recording::piece& piece, std::mt19937& random) {
  wire::hypercall* call = some_call(piece, random);
  if (!call) return false;
  const u64 flags = ~(PTE_ADDR_MASK | accessed_dirty);
  u64 bit = 0;
  while ((bit & flags) == 0) bit = u64{1} << random() % 64;
  if (call->has_mmu_update()) {
    auto& updates = *call->mutable_mmu_update()->mutable_ureqs();
    auto& update = updates[static_cast<int>(random() % static_cast<unsigned>(updates.size()))];
    update.set_val(update.val() ^ bit);
    return true;
  }
  if (!call->has_update_va_mapping()) return false;
  call->mutable_update_va_mapping()->set_val(call->update_va_mapping().val() ^ bit);
  return true;
}

bool drop_an_operation(recording::piece& piece, std::mt19937& random) {
  wire::hypercall* call = some_call(piece, random);
  if (!call) return false;
  if (call->has_mmu_update() && call->mmu_update().ureqs_size() > 1) {
    call->mutable_mmu_update()->mutable_ureqs()->RemoveLast();
  } else if (call->has_mmuext_op() && call->mmuext_op().uops_size() > 1) {
    call->mutable_mmuext_op()->mutable_uops()->RemoveLast();
  } else {
    piece.clear_write();
    piece.clear_call();
    piece.mutable_call()->mutable_multicall();
  }
  return true;
}

/// Two entries become one, or one two.
bool move_a_boundary(recording::piece& piece, std::mt19937& random) {
  if (!piece.call().has_multicall() || piece.call().multicall().call_list_size() < 2) {
    if (piece.call().mmu_update().ureqs_size() < 2) return false;
    wire::hypercall first = piece.call();
    wire::hypercall second = piece.call();
    first.mutable_mmu_update()->mutable_ureqs()->RemoveLast();
    second.mutable_mmu_update()->mutable_ureqs()->DeleteSubrange(0, second.mmu_update().ureqs_size() - 1);
    auto& multicall = *piece.mutable_call()->mutable_multicall();
    *multicall.add_call_list() = first;
    *multicall.add_call_list() = second;
    multicall.set_nr_calls(2);
    return true;
  }
  auto& multicall = *piece.mutable_call()->mutable_multicall();
  auto& list = *multicall.mutable_call_list();
  const int at = static_cast<int>(random() % static_cast<unsigned>(list.size() - 1));
  if (list[at].has_mmuext_op() && list[at + 1].has_mmuext_op()) {
    list[at].mutable_mmuext_op()->MergeFrom(list[at + 1].mmuext_op());
    list.DeleteSubrange(at + 1, 1);
    return true;
  }
  list.SwapElements(at, at + 1);
  return true;
}

/// A call that is compared, and is not like the one behind it.
std::size_t pick(const call_stream& stream, const described_stream& real, std::mt19937& random) {
  for (;;) {
    const std::size_t at = random() % (real.calls.size() - 1);
    if (real.calls[at].entries == real.calls[at + 1].entries) continue;
    const auto found = std::ranges::find(stream.calls, real.calls[at].number, &whole_call::number);
    return static_cast<std::size_t>(found - stream.calls.begin());
  }
}

enum class harm { flag, missing, swapped, boundary };

bool spoil(call_stream& stream, const described_stream& real, harm how, std::mt19937& random) {
  const std::size_t at = pick(stream, real, random);
  recording::piece& piece = stream.calls[at].piece;
  switch (how) {
    case harm::flag: return flip_a_flag(piece, random);
    case harm::missing: return drop_an_operation(piece, random);
    case harm::boundary: return move_a_boundary(piece, random);
    case harm::swapped: {
      const auto next = std::ranges::find_if(
          stream.calls.begin() + static_cast<long>(at) + 1, stream.calls.end(), [&](const whole_call& c) {
            return std::ranges::any_of(real.calls, [&](const described_call& d) { return d.number == c.number; });
          });
      std::swap(piece, next->piece);
      return true;
    }
  }
  return false;
}

// One flag, one operation missing, two calls in the other order, a boundary elsewhere: each is a difference.
TEST_P(real_capture, that_was_spoilt_differs) {
  const auto seed = static_cast<unsigned>(testing::UnitTest::GetInstance()->random_seed());
  fmt::print("seed {}\n", seed);
  std::mt19937 random(seed);
  const call_stream stream = stream_of(GetParam());
  const comparison whole = compared(GetParam(), stream);
  for (const harm how : {harm::flag, harm::missing, harm::swapped, harm::boundary}) {
    for (int done = 0; done < 8;) {
      call_stream spoilt = stream;
      if (!spoil(spoilt, whole.real, how, random)) continue;
      ++done;
      try {
        const comparison c = compared(GetParam(), spoilt);
        EXPECT_TRUE(c.first_difference) << "harm " << static_cast<int>(how) << " is not found: number " << done;
      } catch (const tools::input_error&) {
        // The process is not to be found any more.
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(compare, real_capture, testing::ValuesIn(captures),
                         [](const auto& name) { return std::string(name.param.name); });

// A scenario whose process has another page before the mark than the real one had: told before any call is compared.
TEST(recording_with_a_mark, whose_process_begins_otherwise) {
  const capture& fork = captures[std::size(captures) - 1];
  const auto touch = tools::scenario_file::parse("other", R"(
      title: "t" domain { kernel { profile: "6.1" } }
      step { exec { mm: "a" } }
      step { mmap { va: 0x100000000000 bytes: 0x1000 } }
      step { touch { va: 0x100000000000 bytes: 0x1000 } }
      step { exit_mmap { mm: "a" } })");
  const comparison c = compare(stream_of(fork), touch, *guest::find_kernel_profile("6.1"));
  EXPECT_EQ(c.begins_otherwise, "0x0: an L2 table in the recording, nothing in the model");
  EXPECT_FALSE(c.alike());
}

// A recording that ends in the middle says nothing about the process's end: no verdict comes of it.
TEST(recording_with_a_mark, that_ends_too_early) {
  const capture& fork = captures[std::size(captures) - 1];
  call_stream stream = stream_of(fork);
  const u64 last = compared(fork, stream).real.calls.back().number;
  std::erase_if(stream.calls, [&](const whole_call& c) { return c.number >= last; });
  EXPECT_THROW(compared(fork, stream), tools::input_error);
}

// Two threads that fault at the same time: the model's calls come in the order of the real ones, which is not the one
// of the scenario's steps.
TEST(two_vcpus, follow_the_recorded_schedule) {
  const capture faulting{"two_faulting", "fidelity/recordings/6.12/two_faulting", "fidelity/two_faulting", "6.12"};
  const comparison c = compared(faulting, stream_of(faulting));
  EXPECT_TRUE(c.alike()) << c.verdict();
  u64 turns = 0;
  for (std::size_t i = 1; i < c.model.calls.size(); ++i) turns += c.model.calls[i].vcpu != c.model.calls[i - 1].vcpu;
  EXPECT_GT(turns, 10u);
}

}  // namespace
}  // namespace pvmmu::compare
