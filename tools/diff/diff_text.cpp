#include "tools/diff/diff_text.h"

#include <algorithm>
#include <span>
#include <utility>

#include "tools/diff/call_lines.h"
#include "tools/diff/side_by_side.h"
#include "tools/diff/summary.h"
#include "tools/diff/word_shape.h"
#include "tools/report/paint.h"
#include "tools/show/columns.h"

namespace pvmmu::tools {

namespace {

constexpr unsigned indent = 2;           // columns
constexpr std::size_t most_of_one = 16;  // lines in a row that one run alone has
constexpr std::size_t most_end_lines = 12;

using writer = std::function<void(const std::string&)>;

/// Rows of calls with what makes them look alike.
struct shaped_blocks {
  std::vector<text_block> blocks;
  std::vector<std::string> shapes;
  void add(text_block block, std::string shape) {
    blocks.push_back(std::move(block));
    shapes.push_back(std::move(shape) + '\n');
  }
};

/// The call's line `i`; its head has the step's number.
text_line line_of(const told& t, std::size_t i, std::size_t digits) {
  text_line line = t.lines[i];
  const bool has_number = i == 0 && !t.is_line();
  if (has_number) line.text = fmt::format("{:>{}}  {}", t.step, digits, line.text);
  line.indent += has_number ? 0 : static_cast<unsigned>(digits);
  return line;
}

enum class row_kind : u8 { alike, differ, only_a, only_b };

/// Two calls that belong together, or one alone.
struct call_pair {
  const told* a = nullptr;
  const told* b = nullptr;

  std::vector<aligned_row> lines() const {
    if (a && b) return align_lines(*a, *b);
    std::vector<aligned_row> all;
    const std::size_t size = (a ? a : b)->lines.size();
    all.reserve(size);
    for (std::size_t i = 0; i < size; ++i)
      all.push_back(a ? aligned_row{.a = i, .b = {}} : aligned_row{.a = {}, .b = i});
    return all;
  }
  row_kind kind(const aligned_row& line) const {
    if (!line.b) return row_kind::only_a;
    if (!line.a) return row_kind::only_b;
    return alike_lines(*a, *line.a, *b, *line.b) ? row_kind::alike : row_kind::differ;
  }
  std::string shape(const aligned_row& line) const {
    std::string text = fmt::format("{}", static_cast<unsigned>(kind(line)));
    if (line.a) text += shape_of(a->neutral[*line.a]);
    if (line.b) text += '|' + shape_of(b->neutral[*line.b]);
    return text + '\n';
  }
  text_line only_line(const aligned_row& line, std::size_t digits) const {
    return line.a ? line_of(*a, *line.a, digits) : line_of(*b, *line.b, digits);
  }
};

class text_differ {
 public:
  text_differ(std::size_t columns, std::size_t digits, bool has_steps)
      : columns_(columns), digits_(digits), before_(has_steps ? "before the first step" : "all calls") {}

  text_block step(const step_diff& s) const {
    if (s.alike()) return alike_step(s);
    text_block lines = title(s);
    shaped_blocks calls;
    for (std::size_t i = 0; i < s.rows.size();) {
      std::size_t end = i;
      while (end < s.rows.size() && s.alike(s.rows[end])) ++end;
      if (end != i) {
        const std::string text = alike_text(s, std::span(s.rows).subspan(i, end - i));
        calls.add({{line_role::dim, indent, text}}, text);
        i = end;
        continue;
      }
      add_row(s, s.rows[i++], calls);
    }
    text_block folded = fold(std::move(calls.blocks), std::move(calls.shapes), "row");
    lines.insert(lines.end(), folded.begin(), folded.end());
    text_block sums = cost(s);
    lines.insert(lines.end(), sums.begin(), sums.end());
    return lines;
  }

 private:
  std::string title_of(const told_step& s) const { return s.title.empty() ? before_ : s.title; }

  text_block alike_step(const step_diff& s) const {
    const std::string title = title_of(*s.a);
    if (s.rows.empty()) return s.a->title.empty() ? text_block{} : text_block{{line_role::dim, 0, title}};
    return {{line_role::dim, 0, title + ": " + alike_text(s, s.rows)}};
  }

  /// "12 calls alike"; lines that were said in between count if there is nothing else.
  static std::string alike_text(const step_diff& s, std::span<const aligned_row> rows) {
    const auto calls =
        static_cast<u64>(std::ranges::count_if(rows, [&s](const aligned_row& row) { return s.is_call(row); }));
    return (calls == 0 ? count_text(rows.size(), "line") : count_text(calls, "call")) + " alike";
  }

  text_block title(const step_diff& s) const {
    const auto line = [this](const std::optional<told_step>& side) {
      return side ? std::optional(text_line{line_role::heading, 0, title_of(*side)}) : std::nullopt;
    };
    if (s.a && s.b && s.a->title == s.b->title) return {*line(s.a)};
    text_block lines = columns_.row(line(s.a), line(s.b), s.same_title());
    for (text_line& l : lines) l.role = line_role::heading;
    return lines;
  }

  void add_row(const step_diff& s, const aligned_row& row, shaped_blocks& to) const {
    const call_pair calls{row.a ? &s.a->all[*row.a] : nullptr, row.b ? &s.b->all[*row.b] : nullptr};
    const std::vector<aligned_row> lines = calls.lines();
    text_block block;
    std::string shape;
    for (const aligned_row& line : lines) shape += calls.shape(line);
    for (std::size_t at = 0; at < lines.size();) {
      std::size_t end = at;
      while (end < lines.size() && calls.kind(lines[end]) == calls.kind(lines[at])) ++end;
      const auto run = std::span(lines).subspan(at, end - at);
      if (calls.kind(run.front()) == row_kind::alike)
        append_alike(block, calls, run, at == 0, end == lines.size());
      else
        append_differing(block, calls, run);
      at = end;
    }
    to.add(std::move(block), std::move(shape));
  }

  /// The call's head, and what stands right before a line that differs.
  void append_alike(text_block& to, const call_pair& calls, std::span<const aligned_row> run, bool first,
                    bool last) const {
    const std::size_t begin = first ? 1 : 0;
    const std::size_t end = last ? run.size() : std::max(begin, run.size() - 1);
    if (first) append(to, row(calls, run.front(), true));
    if (begin < end)
      to.push_back({line_role::dim, static_cast<unsigned>(2 * indent + digits_),
                    fmt::format("… {} alike", count_text(end - begin, "line"))});
    if (end < run.size()) append(to, row(calls, run[end], true));
  }

  void append_differing(text_block& to, const call_pair& calls, std::span<const aligned_row> run) const {
    shaped_blocks rows;
    const row_kind kind = calls.kind(run.front());
    for (const aligned_row& line : run)
      rows.add(kind == row_kind::differ ? row(calls, line, false) : text_block{calls.only_line(line, digits_)},
               calls.shape(line));
    text_block folded = fold(std::move(rows.blocks), std::move(rows.shapes), "line");
    if (kind == row_kind::differ) return append(to, std::move(folded));
    for (std::size_t i = 0; i < folded.size(); ++i) {
      const bool is_too_long = i == most_of_one && folded.size() > most_of_one + 1;
      if (is_too_long)
        folded[i] = {line_role::dim, static_cast<unsigned>(2 * indent + digits_),
                     fmt::format("… and {} more", count_text(folded.size() - i, "line"))};
      append(to, kind == row_kind::only_a ? columns_.row(folded[i], {}, false) : columns_.row({}, folded[i], false));
      if (is_too_long) return;
    }
  }

  text_block row(const call_pair& calls, const aligned_row& line, bool alike) const {
    return columns_.row(line_of(*calls.a, *line.a, digits_), line_of(*calls.b, *line.b, digits_), alike);
  }

  text_block cost(const step_diff& s) const {
    if (!s.a || !s.b || same_cost(s.a->cost, s.b->cost)) return {};
    const auto line = [](const tally& t) { return text_line{line_role::dim, indent, "Σ " + tally_text(t)}; };
    return columns_.row(line(s.a->cost), line(s.b->cost), false);
  }

  static void append(text_block& to, text_block from) { to.insert(to.end(), from.begin(), from.end()); }

  side_by_side columns_;
  std::size_t digits_;
  std::string before_;
};

text_block heading(char name, const diff_side& side) {
  text_block lines{
      {line_role::heading, 0,
       fmt::format("{}  {}: {}, {}", name, side.path, side.run.header().guest(), count_text(side.run.size(), "step"))}};
  if (side.run.torn()) lines.push_back({line_role::bad, 3, "torn: " + *side.run.torn()});
  return lines;
}

text_block cost_table(const diff_summary& d) {
  text_block lines{{line_role::heading, 0, fmt::format("{:<24}{:>10}{:>10}", "cost of all steps", "A", "B")}};
  for (const cost_row& row : cost_rows()) {
    const u64 a = d.cost_a.*row.count, b = d.cost_b.*row.count;
    if (a == 0 && b == 0) continue;
    std::string name(row.name);
    std::ranges::replace(name, '_', ' ');
    const std::string difference = a == b ? "" : fmt::format("{:>+10}", static_cast<s64>(b) - static_cast<s64>(a));
    lines.push_back({a == b ? line_role::plain : line_role::change, indent,
                     fmt::format("{:<22}{:>10}{:>10}{}", name, a, b, difference)});
  }
  return lines;
}

text_block said_table(const diff_summary& d) {
  const std::vector<said_difference> said = d.said();
  if (said.empty()) return {};
  text_block lines{{line_role::heading, 0, "messages and refusals that are not in both"}};
  for (const said_difference& s : said) {
    const std::string where = s.first_step == 0 ? "" : fmt::format(", first in step {}", s.first_step);
    lines.push_back({line_role::message, indent, fmt::format("A {}×, B {}×{}: {}", s.a, s.b, where, s.text)});
  }
  return lines;
}

text_block end_table(const diff_summary& d) {
  if (d.end_differences.empty()) return {};
  text_block lines{{line_role::heading, 0, "how they end"}};
  for (const end_difference& e : d.end_differences) {
    const auto value = [](const std::string& text) { return text.empty() ? "none" : text; };
    if (lines.size() > most_end_lines) break;
    lines.push_back({line_role::change, indent, fmt::format("{}: A {}, B {}", e.what, value(e.a), value(e.b))});
  }
  if (d.end_differences.size() > most_end_lines)
    lines.push_back({line_role::dim, indent, fmt::format("… and {} more", d.end_differences.size() - most_end_lines)});
  return lines;
}

}  // namespace

bool diff_text(const diff_side& a, const diff_side& b, std::size_t columns, bool colored, const writer& write) {
  const auto print = [&](const text_block& lines) { write(paint(printable(lines), colored)); };
  print(heading('A', a));
  print(heading('B', b));
  write("\n");
  run_diff d(a.run, b.run);
  diff_summary sum;
  const text_differ differ(columns, fmt::formatted_size("{}", std::max(a.run.size(), b.run.size())), d.has_steps());
  d.each_step([&](const step_diff& s) {
    sum.add(s);
    print(differ.step(s));
  });
  sum.end(d, a.run, b.run);
  for (const text_block& table : {sum.alike() ? text_block{} : cost_table(sum), said_table(sum), end_table(sum)}) {
    if (table.empty()) continue;
    write("\n");
    print(table);
  }
  write("\n");
  print({{sum.alike() ? line_role::good : line_role::bad, 0, sum.verdict()}});
  return sum.alike();
}

}  // namespace pvmmu::tools
