#include "tools/diff/run_diff.h"

#include <algorithm>

#include "tools/diff/call_lines.h"
#include "tools/diff/word_numbers.h"
#include "tools/diff/word_shape.h"

namespace pvmmu::tools {

namespace {

/// All that is told of it.
std::string whole(const told& t) {
  std::string all = t.vcpu;
  for (const std::string& line : t.neutral) all += '\n' + line;
  return all;
}

/// "mmu_update of # entries"
std::string head_shape(const told& t) {
  const std::string& head = t.neutral.front();
  return shape_of(head.substr(0, head.find(" = ")));
}

views views_of(const told_step& s, word_numbers& numbers) {
  views v(5);
  for (const told& t : s.all) {
    v[0].push_back(numbers.of(whole(t)));
    v[1].push_back(numbers.of(t.vcpu + t.asked));
    v[2].push_back(numbers.of(t.words));
    v[3].push_back(t.caller.empty() ? numbers.unique() : numbers.of(t.caller));
    v[4].push_back(t.is_line() ? numbers.unique() : numbers.of(head_shape(t)));
  }
  return v;
}

views title_views(const std::vector<std::string>& titles, word_numbers& numbers) {
  views v(2);
  for (const std::string& title : titles) {
    v[0].push_back(numbers.of(unnumbered(title)));
    v[1].push_back(numbers.of(title.empty() ? "begin" : "step"));
  }
  return v;
}

}  // namespace

std::string unnumbered(const std::string& title) {
  // "step 7  mremap …"
  const std::size_t words = title.starts_with("step ") ? title.find("  ") : std::string::npos;
  return words == std::string::npos ? title : title.substr(words + 2);
}

bool step_diff::same_title() const { return a && b && unnumbered(a->title) == unnumbered(b->title); }

bool step_diff::alike(const aligned_row& row) const {
  if (!row.a || !row.b) return false;
  const told& one = a->all[*row.a];
  const told& other = b->all[*row.b];
  if (one.vcpu != other.vcpu || one.lines.size() != other.lines.size()) return false;
  for (std::size_t i = 0; i < one.lines.size(); ++i)
    if (!alike_lines(one, i, other, i)) return false;
  return true;
}

bool step_diff::is_call(const aligned_row& row) const { return !(row.a ? a->all[*row.a] : b->all[*row.b]).is_line(); }

u64 step_diff::differ() const {
  return static_cast<u64>(std::ranges::count_if(rows, [this](const aligned_row& row) { return !alike(row); }));
}

void run_diff::each_step(const std::function<void(const step_diff&)>& visit) {
  word_numbers titles;
  for (const aligned_row& pair : align(title_views(a_.titles(), titles), title_views(b_.titles(), titles))) {
    step_diff s;
    if (pair.a) s.a = a_.next();
    if (pair.b) s.b = b_.next();
    word_numbers calls;
    s.rows = align(views_of(s.a.value_or(told_step{}), calls), views_of(s.b.value_or(told_step{}), calls));
    visit(s);
  }
}

}  // namespace pvmmu::tools
