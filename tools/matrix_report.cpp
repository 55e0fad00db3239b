#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cctype>
#include <iterator>
#include <map>

#include "tools/matrix.h"
#include "tools/report/fold.h"
#include "tools/report/paint.h"
#include "tools/report/wrap.h"

namespace pvmmu::tools {

namespace json = boost::json;

namespace {

/// Messages that differ in frames only share one note; the lines of a longer report, which start with a space, differ
/// in other numbers too.
std::string without_numbers(const std::string& line) {
  const std::size_t shortest_number = line.starts_with(' ') ? 1 : 3;  // digits
  const auto is_digit = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
  const auto is_letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
  std::string text;
  for (auto at = line.begin(); at != line.end();) {
    const auto end = std::find_if_not(at, line.end(), is_digit);
    const bool in_word = (end != line.end() && is_letter(*end)) || (!text.empty() && is_letter(text.back()));
    if (static_cast<std::size_t>(end - at) >= shortest_number && !in_word) {
      text += '#';
      at = end;
    } else {
      text += *at++;
    }
  }
  return text;
}

/// Messages as notes below the table: "[a]", "[b]" …
class notes {
 public:
  std::string cell(const std::vector<std::string>& messages) {
    std::vector<std::pair<char, u64>> used;
    for (const auto& m : messages) {
      const char letter = letter_of(m);
      const auto at = std::ranges::find(used, letter, &std::pair<char, u64>::first);
      if (at == used.end())
        used.emplace_back(letter, 1);
      else
        ++at->second;
    }
    std::string text;
    for (const auto& [letter, times] : used)
      text += fmt::format("[{}]{} ", letter, times == 1 ? "" : fmt::format("×{}", times));
    if (!text.empty()) text.pop_back();
    return text.empty() ? "–" : text;
  }

  text_block lines() const {
    text_block block;
    for (const auto& [letter, text] : first_)
      block.push_back({line_role::message, 2, fmt::format("[{}] {}", letter, text)});
    return block;
  }

 private:
  char letter_of(const std::string& message) {
    const auto [at, is_new] = letters_.try_emplace(without_numbers(message), static_cast<char>('a' + letters_.size()));
    if (is_new) first_.emplace(at->second, message);
    return at->second;
  }

  std::map<std::string, char> letters_;
  std::map<char, std::string> first_;  ///< the first message of each kind, as it was printed
};

constexpr std::string_view row_format = "{:<11} {:<10} {:>6} {:>9} {:>6} {:>10} {:>11} {:>7} {:>5} {:>11}   {}";

std::string head_line(const std::vector<std::string_view>& c) {
  return fmt::format(fmt::runtime(row_format), c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10]);
}

text_line row_line(const matrix_row& r, notes& n) {
  const tally& t = r.measured;
  const std::string lowest = t.lowest_l1_type_count ? fmt::format("{}", *t.lowest_l1_type_count) : "unchanged";
  const line_role role = !r.findings.empty() || t.failed_calls != 0 ? line_role::failed
                         : t.validated_again != 0                   ? line_role::work
                                                                    : line_role::plain;
  return {role, 0,
          fmt::format(fmt::runtime(row_format), r.profile->name, r.split ? "split" : "not split", t.hypercalls,
                      t.multicall_entries, t.traps, t.validated_again, t.devalidated, t.guest_flushes, t.xen_flushes,
                      lowest, n.cell(r.messages))};
}

/// Rows with the same calls share one line.
text_block sequences(const matrix& m) {
  std::vector<std::pair<std::string, std::string>> by_sequence;  // {calls, kernels}
  for (const matrix_row& r : m.rows) {
    const auto at = std::ranges::find(by_sequence, r.sequence, &std::pair<std::string, std::string>::first);
    const std::string name = fmt::format("{} {}", r.profile->name, r.split ? "split" : "not split");
    if (at == by_sequence.end())
      by_sequence.emplace_back(r.sequence, name);
    else
      at->second += ", " + name;
  }
  text_block lines;
  for (const auto& [calls, kernels] : by_sequence) {
    lines.push_back({line_role::call, 2, calls.empty() ? "nothing" : calls});
    for (auto& l : wrap(kernels, page_width - 4)) lines.push_back({line_role::dim, 4, std::move(l)});
  }
  return lines;
}

void add_table(const matrix& m, notes& n, text_block& lines) {
  lines.push_back({line_role::heading, 0,
                   head_line({"kernel", "page-table", "hyper-", "multicall", "traps", "validated", "devalidated",
                              "flushes", "", "L1's lowest", "messages of"})});
  lines.push_back({line_role::heading, 0,
                   head_line({"", "locks", "calls", "entries", "", "again", "", "guest", "Xen", "type count",
                              "the whole scenario"})});
  for (const matrix_row& r : m.rows) lines.push_back(row_line(r, n));
}

void add_paragraph(const std::string& text, text_block& lines) {
  lines.push_back({});
  for (auto& l : wrap(text, page_width - 2)) lines.push_back({line_role::plain, 2, std::move(l)});
}

}  // namespace

std::string text_report(const matrix& m, bool colored) {
  text_block lines{{line_role::heading, 0, m.title.empty() ? m.file : m.title}};
  lines.push_back({line_role::dim, 0,
                   fmt::format("{} under {} kernels; Xen 4.17, {} build", m.file, m.rows.size() / 2,
                               m.debug_build ? "debug" : "release")});
  for (const auto& step : m.measured_steps) lines.push_back({line_role::dim, 0, "measured: " + step});
  lines.push_back({});
  notes n;
  add_table(m, n, lines);
  if (auto said = n.lines(); !said.empty()) {
    lines.push_back({});
    lines.push_back({line_role::heading, 0, "What was said"});
    std::ranges::move(said, std::back_inserter(lines));
  }
  lines.push_back({});
  lines.push_back({line_role::heading, 0, "The measured calls in their order; {…} is one multicall"});
  std::ranges::move(sequences(m), std::back_inserter(lines));
  lines.push_back({});
  lines.push_back({line_role::heading, 0, "What it shows"});
  for (const auto& sentence : explain(m)) add_paragraph(sentence, lines);
  return paint(lines, colored);
}

json::value json_report(const matrix& m) {
  json::array rows, sentences;
  for (const matrix_row& r : m.rows) {
    const tally& t = r.measured;
    json::object row{{"kernel", r.profile->name},
                     {"split_ptlocks", r.split},
                     {"hypercalls", t.hypercalls},
                     {"multicall_entries", t.multicall_entries},
                     {"traps", t.traps},
                     {"entries_validated", t.validated},
                     {"entries_validated_again", t.validated_again},
                     {"entries_devalidated", t.devalidated},
                     {"guest_flushes", t.guest_flushes},
                     {"xen_flushes", t.xen_flushes},
                     {"failed_calls", t.failed_calls},
                     {"sequence", r.sequence},
                     {"messages", json::array(r.messages.begin(), r.messages.end())}};
    if (t.lowest_l1_type_count) row["lowest_l1_type_count"] = *t.lowest_l1_type_count;
    json::array findings;
    for (const auto& f : r.findings)
      findings.push_back({{"where", f.where}, {"what", f.what}, {"expected", f.expected}, {"got", f.got}});
    row["findings"] = std::move(findings);
    rows.push_back(std::move(row));
  }
  for (auto& s : explain(m)) sentences.emplace_back(std::move(s));
  return {{"title", m.title},
          {"file", m.file},
          {"debug_build", m.debug_build},
          {"measured", json::array(m.measured_steps.begin(), m.measured_steps.end())},
          {"rows", std::move(rows)},
          {"sentences", std::move(sentences)}};
}

}  // namespace pvmmu::tools
