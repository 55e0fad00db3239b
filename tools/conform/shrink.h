#pragma once
// The shortest programs that still differ.
//
//   smaller = shrink(programs, [&](auto candidates, auto of) { return which_of_them_differ(candidates); });

#include <functional>
#include <span>
#include <vector>

#include "tools/lab/program.h"

namespace pvmmu::conform {

/// Which of `candidates` still show it. Candidate i is a smaller one of program `of[i]` of those that are shrunk. Asked
/// with many at a time, because a boot costs seconds and a program nothing.
using judge =
    std::function<std::vector<bool>(std::span<const lab::program> candidates, std::span<const std::size_t> of)>;

/// Drops calls, contents, entries of batches and the multicalls around calls, as long as `shows` says that what is left
/// still does. Each program must show it. So do the results, and nothing that is one such step smaller does. All
/// programs advance together: the candidates of all are one question.
std::vector<lab::program> shrink(const std::vector<lab::program>& programs, const judge& shows);

}  // namespace pvmmu::conform
