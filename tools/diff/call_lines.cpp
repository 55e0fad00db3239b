#include "tools/diff/call_lines.h"

#include <utility>

#include "tools/diff/word_numbers.h"
#include "tools/diff/word_shape.h"

namespace pvmmu::tools {

namespace {

/// A line and those below it: [begin, end).
struct branch {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// The branches that begin between `begin` and `end`.
std::vector<branch> branches(const told& t, std::size_t begin, std::size_t end) {
  std::vector<branch> all;
  for (std::size_t i = begin; i < end; ++i) {
    if (all.empty() || t.lines[i].indent <= t.lines[all.back().begin].indent) all.push_back({i, i});
    all.back().end = i + 1;
  }
  return all;
}

/// What a line begins with: the frame, the entry, the kind of flush.
std::string label_of(const std::string& line) { return line.substr(0, line.find("  ")); }

/// All that it says; what it and its entries ask for; what kind of line it is; what it is about.
views views_of(const told& t, const std::vector<branch>& all, word_numbers& numbers) {
  views v(4);
  for (const branch& b : all) {
    std::string whole, asked;
    for (std::size_t i = b.begin; i < b.end; ++i) {
      whole += t.neutral[i] + '\n';
      if (is_asked(t.lines[i].role)) asked += asked_in(t.neutral[i]) + '\n';
    }
    const std::string& line = t.neutral[b.begin];
    v[0].push_back(numbers.of(whole));
    v[1].push_back(asked.empty() ? numbers.unique() : numbers.of(asked));
    v[2].push_back(numbers.of(shape_of(line)));
    v[3].push_back(numbers.of(label_of(line)));
  }
  return v;
}

class line_aligner {
 public:
  line_aligner(const told& a, const told& b) : a_(a), b_(b) {}

  /// Two lines that belong together, and what is below them.
  void add(branch a, branch b) {
    rows_.push_back({a.begin, b.begin});
    const std::vector<branch> below_a = branches(a_, a.begin + 1, a.end), below_b = branches(b_, b.begin + 1, b.end);
    for (const aligned_row& row : align(views_of(a_, below_a, numbers_), views_of(b_, below_b, numbers_))) {
      if (row.a && row.b) {
        add(below_a[*row.a], below_b[*row.b]);
      } else if (row.a) {
        for (std::size_t i = below_a[*row.a].begin; i < below_a[*row.a].end; ++i) rows_.push_back({.a = i, .b = {}});
      } else {
        for (std::size_t i = below_b[*row.b].begin; i < below_b[*row.b].end; ++i) rows_.push_back({.a = {}, .b = i});
      }
    }
  }

  std::vector<aligned_row> result() { return std::move(rows_); }

 private:
  const told& a_;
  const told& b_;
  word_numbers numbers_;
  std::vector<aligned_row> rows_;
};

}  // namespace

bool alike_lines(const told& a, std::size_t i, const told& b, std::size_t j) {
  return a.neutral[i] == b.neutral[j] || a.lines[i].text == b.lines[j].text;
}

std::vector<aligned_row> align_lines(const told& a, const told& b) {
  line_aligner aligner(a, b);
  aligner.add({0, a.lines.size()}, {0, b.lines.size()});
  return aligner.result();
}

}  // namespace pvmmu::tools
