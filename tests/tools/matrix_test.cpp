#include "tools/matrix.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace pvmmu::tools {
namespace {

/// The matrix of the main example, made once.
const matrix& pmd_move() {
  static const matrix m = [] {
    connection server("");
    return run_matrix(scenario_file::read(PVMMU_SOURCE_DIR "/examples/pmd-move.textproto"), server, false);
  }();
  return m;
}

const matrix_row& row(std::string_view kernel, bool split) {
  return *std::ranges::find_if(pmd_move().rows,
                               [&](const auto& r) { return r.profile->name == kernel && r.split == split; });
}

bool says(const matrix_row& r, std::string_view text) {
  return std::ranges::any_of(r.messages, [&](const auto& m) { return m.find(text) != std::string::npos; });
}

constexpr std::array pmd_movers{"oct2018-v1", "5.0", "5.11", "5.14", "6.1", "6.12", "mail"};

// With split page-table locks the move never drops the L1's type count to 0, and nothing is validated again.
TEST(matrix, split_locks_keep_the_l1_typed) {
  for (const auto* kernel : pmd_movers) {
    EXPECT_EQ(row(kernel, true).measured.lowest_l1_type_count, 1u) << kernel;
    EXPECT_EQ(row(kernel, true).measured.validated_again, 0u) << kernel;
    EXPECT_EQ(row(kernel, true).measured.devalidated, 0u) << kernel;
  }
}

// Without, 512 entries are taken down and validated again.
TEST(matrix, without_split_locks_the_l1_is_validated_again) {
  for (const auto* kernel : pmd_movers) {
    EXPECT_EQ(row(kernel, false).measured.lowest_l1_type_count, 0u) << kernel;
    EXPECT_EQ(row(kernel, false).measured.validated_again, 512u) << kernel;
    EXPECT_EQ(row(kernel, false).measured.devalidated, 512u) << kernel;
  }
}

// Kernels before the PMD move take 512 traps; 4.18 sets the entries anew in 17 calls, 4.17 in 8 chunks of 3.
TEST(matrix, older_kernels_move_page_by_page) {
  for (const auto* kernel : {"4.17", "4.18", "4.20"})
    for (const bool split : {true, false}) {
      EXPECT_EQ(row(kernel, split).measured.traps, 512u) << kernel;
      EXPECT_EQ(row(kernel, split).measured.validated_again, 0u) << kernel;
    }
  EXPECT_THAT(row("4.18", true).sequence,
              testing::StartsWith("{va RO, pin L1}; set L2; 32× trap; 15× (31× set L1; 31× trap); "
                                  "31× set L1; 15× trap; 16× set L1; flush"));
  EXPECT_THAT(row("4.17", true).sequence,
              testing::HasSubstr("8× (32× trap; 31× set L1; 31× trap; 31× set L1; trap; 2× set L1"));
}

// The calls of each kernel, in order.
TEST(matrix, shows_the_sequences_of_calls) {
  for (const auto* kernel : {"oct2018-v1", "5.0", "5.11"})
    EXPECT_EQ(row(kernel, true).sequence, "clear L2; set L2; flush") << kernel;
  EXPECT_EQ(row("5.14", true).sequence, "clear L2; {va RO, pin L1 = -EINVAL}; set L2; flush");
  EXPECT_EQ(row("5.14", false).sequence, "clear L2; va RO; set L2; flush");
  for (const auto* kernel : {"6.1", "6.12"})
    for (const bool split : {true, false})
      EXPECT_EQ(row(kernel, split).sequence, "clear L2; va RO; set L2; flush") << kernel;
}

// 5.14 with split locks pins twice: Xen refuses, says why, and Linux reports one call of two.
TEST(matrix, linux_5_14_pins_twice) {
  EXPECT_EQ(row("5.14", true).measured.failed_calls, 1u);
  for (const matrix_row& r : pmd_move().rows) {
    const bool twice = r.profile->name == "5.14" && r.split;
    EXPECT_EQ(says(r, "already pinned"), twice) << r.profile->name;
    EXPECT_EQ(says(r, "1 of 2 multicall(s) failed"), twice) << r.profile->name;
  }
}

// "not pinned" is the mail's kernel's alone, without split locks; the sentence below the table says why.
TEST(matrix, only_the_kernel_of_the_mail_unpins_what_is_not_pinned) {
  for (const matrix_row& r : pmd_move().rows)
    EXPECT_EQ(says(r, "not pinned"), r.profile->name == "mail" && !r.split) << r.profile->name;
  EXPECT_THAT(explain(pmd_move()), testing::Contains(testing::StartsWith("\"not pinned\" appears under mail only")));
}

// Memory holds after the move what was written before it, under every kernel.
TEST(matrix, memory_survives_the_move) {
  EXPECT_EQ(pmd_move().count_findings(), 0u);
  EXPECT_GT(pmd_move().checked_reads, 0u);
}

// The sentences follow the rows: without the rows that they are about they are not there.
TEST(matrix, sentences_are_made_from_the_rows) {
  matrix m = pmd_move();
  std::erase_if(m.rows, [](const auto& r) { return r.profile->name == "mail" || !r.split; });
  for (const auto& sentence : explain(m)) {
    EXPECT_THAT(sentence, testing::Not(testing::HasSubstr("not pinned\"")));
    EXPECT_THAT(sentence, testing::Not(testing::HasSubstr("Without them")));
  }
}

// A scenario without a marked step, or without a kernel, is refused.
TEST(matrix, needs_something_to_compare) {
  connection server("");
  const auto unmarked = scenario_file::parse("f", "domain { kernel { profile: \"6.1\" } } step { exec { mm: \"a\" } }");
  EXPECT_THROW(run_matrix(unmarked, server, false), input_error);
  const auto no_kernel = scenario_file::parse("f", "domain {} step { measure: true alloc_frame { name: \"a\" } }");
  EXPECT_THROW(run_matrix(no_kernel, server, false), input_error);
}

}  // namespace
}  // namespace pvmmu::tools
