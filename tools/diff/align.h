#pragma once
// Which elements of two lists belong together: a longest common subsequence, in the memory of the lists (Myers 1986,
// "An O(ND) Difference Algorithm and Its Variations", with the refinement to linear space).
//
//   common({1, 2, 3, 4}, {1, 3, 4, 5})   →  (0, 0) (2, 1) (3, 2)

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu::tools {

/// Places of elements that are equal.
using place_pairs = std::vector<std::pair<std::size_t, std::size_t>>;

/// From this many differences on, the search for the longest ends, and what is found may be a shorter one.
inline constexpr s64 most_edits = 4096;

/// Pairs of equal elements, ascending in both lists: as many as there can be in lists that differ in less than
/// `edits` places or so.
place_pairs common(std::span<const u32> a, std::span<const u32> b, s64 edits = most_edits);

/// What stands side by side: an element of each list that belong together, or one of either alone.
struct aligned_row {
  std::optional<std::size_t> a{};
  std::optional<std::size_t> b{};
};

/// Several views of one list, of the same length, from close to loose.
using views = std::vector<std::vector<u32>>;

/// All elements of both lists in order: those that are common in the first view, between them those in the second, and
/// so on. What is in no view goes alone, of `a` first.
std::vector<aligned_row> align(const views& a, const views& b);

}  // namespace pvmmu::tools
