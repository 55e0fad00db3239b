#include "tools/diff/align.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <random>

namespace pvmmu::tools {
namespace {

/// The length of a longest common subsequence, by the textbook's table.
std::size_t longest(const std::vector<u32>& a, const std::vector<u32>& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (const u32 x : a) {
    std::size_t diagonal = 0;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = x == b[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

/// Whether the pairs are equal elements, ascending in both.
bool is_common(const place_pairs& pairs, const std::vector<u32>& a, const std::vector<u32>& b) {
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto [x, y] = pairs[i];
    if (x >= a.size() || y >= b.size() || a[x] != b[y]) return false;
    if (i > 0 && (pairs[i - 1].first >= x || pairs[i - 1].second >= y)) return false;
  }
  return true;
}

std::vector<u32> random_list(std::mt19937_64& random, std::size_t size, u32 letters) {
  std::vector<u32> list(size);
  for (u32& x : list) x = static_cast<u32>(random() % letters);
  return list;
}

std::mt19937_64 seeded() {
  const char* const given = std::getenv("PVMMU_SEED");
  const u64 seed = given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  fmt::print("PVMMU_SEED={}\n", seed);
  return std::mt19937_64(seed);
}

// Of short lists in few letters, equal ones, empty ones and long with short ones among them, it is as long as any.
TEST(align_test, finds_a_longest) {
  std::mt19937_64 random = seeded();
  for (int i = 0; i < 20'000; ++i) {
    const u32 letters = 1 + static_cast<u32>(random() % 6);
    const auto a = random_list(random, random() % 24, letters);
    const auto b = random_list(random, random() % 24, letters);
    const place_pairs pairs = common(a, b);
    ASSERT_TRUE(is_common(pairs, a, b)) << testing::PrintToString(a) << testing::PrintToString(b);
    ASSERT_EQ(pairs.size(), longest(a, b)) << testing::PrintToString(a) << testing::PrintToString(b);
  }
}

// Where the search ends early, what it finds is common still, and it ends.
TEST(align_test, gives_up_what_is_too_long) {
  std::mt19937_64 random = seeded();
  for (int i = 0; i < 2'000; ++i) {
    const auto a = random_list(random, random() % 200, 4);
    const auto b = random_list(random, random() % 200, 4);
    const place_pairs pairs = common(a, b, 1 + static_cast<s64>(random() % 8));
    ASSERT_TRUE(is_common(pairs, a, b)) << testing::PrintToString(a) << testing::PrintToString(b);
    ASSERT_LE(pairs.size(), longest(a, b));
  }
}

// Lists of twenty thousand that have nothing in common, or one element too much, take no time worth speaking of.
TEST(align_test, long_lists) {
  std::vector<u32> a(20'000), b(20'000);
  std::iota(a.begin(), a.end(), 0);
  std::iota(b.begin(), b.end(), 500'000);
  EXPECT_TRUE(common(a, b).empty());
  b = a;
  b.insert(b.begin() + 10'000, 7);
  EXPECT_EQ(common(a, b).size(), a.size());
}

}  // namespace
}  // namespace pvmmu::tools
