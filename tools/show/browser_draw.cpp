#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "tools/show/browser.h"
#include "tools/show/browser_help.h"
#include "tools/show/columns.h"

namespace pvmmu::tools {

namespace {

constexpr std::size_t frame_rows = 3;  // title, the line between, the last line

screen_line fitted(const text_line& line, std::size_t columns, bool reversed = false) {
  const std::string text = cut(std::string(line.indent, ' ') + line.text, columns);
  return {line.role, reversed, reversed ? padded(text, columns) : text};
}

/// The steps around one of them, as many as `rows` lines have room for.
class step_list {
 public:
  step_list(step_source& steps, std::size_t place, screen_size size)
      : steps_(steps), place_(place), size_(size), first_(place), end_(place + 1), lines_(lines_of(place)) {}

  std::vector<screen_line> around(std::size_t rows) {
    while (first_ > 0 && current() < rows / 2) add_above();
    while (end_ < steps_.size() && lines_.size() < current() + rows)
      std::ranges::move(lines_of(end_++), std::back_inserter(lines_));
    while (first_ > 0 && lines_.size() < rows) add_above();  // at the end of the recording
    const std::size_t above = current() - std::min(current(), rows / 2);
    const std::size_t too_many = lines_.size() - std::min(lines_.size(), rows);
    lines_.erase(lines_.begin(), lines_.begin() + static_cast<std::ptrdiff_t>(std::min(above, too_many)));
    lines_.resize(rows);
    return std::move(lines_);
  }

 private:
  /// What was said before the step, its line, what Xen printed.
  std::vector<screen_line> lines_of(std::size_t place) {
    const step_facts& f = steps_.facts(place);
    std::vector<screen_line> lines;
    for (const text_line& l : f.before) lines.push_back(fitted(l, size_.columns));
    text_line line = f.line;
    const std::size_t digits = fmt::formatted_size("{}", steps_.size());
    line.indent = static_cast<unsigned>(digits - std::min(digits, fmt::formatted_size("{}", f.number)));
    lines.push_back(fitted(line, size_.columns, place == place_));
    for (const text_line& l : f.messages) lines.push_back(fitted(l, size_.columns));
    return lines;
  }
  void add_above() {
    std::vector<screen_line> above = lines_of(--first_);
    lines_.insert(lines_.begin(), std::make_move_iterator(above.begin()), std::make_move_iterator(above.end()));
  }
  /// Where the step's own line is.
  std::size_t current() const {
    return static_cast<std::size_t>(std::ranges::find(lines_, true, &screen_line::reversed) - lines_.begin());
  }

  step_source& steps_;
  std::size_t place_;
  screen_size size_;
  std::size_t first_, end_;  ///< of the steps whose lines are there
  std::vector<screen_line> lines_;
};

}  // namespace

browser_layout layout_of(screen_size size) {
  const std::size_t rows = std::max(size.rows, frame_rows + 2) - frame_rows;
  const std::size_t list = std::clamp<std::size_t>(rows * 2 / 5, 1, 16);
  return {list, rows - list};
}

screen browser::draw(screen_size size) {
  const browser_layout rows = layout_of(size);
  screen s;
  s.lines.push_back(fitted({line_role::heading, 0, title_}, size.columns, true));
  std::ranges::move(step_list(steps_, place_, size).around(rows.list), std::back_inserter(s.lines));

  const text_block all = wrapped(below(), size.columns);
  const std::size_t top = std::min(top_, all.size() - 1);
  static constexpr std::array views{"", ": the page tables behind it", ": keys", ": who holds the frame behind it"};
  std::string between = fmt::format("── step {} of {}{} ", steps_.facts(place_).number, steps_.size(),
                                    views.at(static_cast<std::size_t>(view_)));
  const std::string share = all.size() <= rows.below ? ""
                                                     : fmt::format(" lines {}-{} of {} ──", top + 1,
                                                                   std::min(top + rows.below, all.size()), all.size());
  while (columns_of(between) + columns_of(share) < size.columns) between += "─";
  s.lines.push_back(fitted({line_role::dim, 0, between + share}, size.columns));
  for (std::size_t i = 0; i < rows.below; ++i)
    s.lines.push_back(top + i < all.size() ? fitted(all[top + i], size.columns) : screen_line{});

  const line_role role = search_ || question_ != question::none || !said_.empty() ? line_role::plain : line_role::dim;
  s.lines.push_back(fitted({role, 0, last_line()}, size.columns));
  if (question_ != question::none) s.cursor = std::min(columns_of(last_line()), size.columns - 1);
  s.lines.resize(size.rows);
  return s;
}

std::string browser::last_line() const {
  switch (question_) {
    case question::step: return "step: " + typed_;
    case question::frame:
    case question::why: return "mfn (hexadecimal): " + typed_;
    case question::text: return "/" + typed_;
    case question::none: break;
  }
  if (search_) return fmt::format("looking for a {}: step {}; any key ends it", search_->what, search_->at + 1);
  if (!said_.empty()) return said_;
  return "↓ forward  ↑ back  g go to step  t page tables  / search  ? all keys  q quit";
}

text_block browser_help() {
  static constexpr std::array<std::pair<const char*, const char*>, 18> keys{{
      {"↓ ↑ j k", "the next step, the one before, but for a kernel's own accesses of which Xen saw nothing"},
      {"→ ← l h", "the next step, the one before, whatever it is"},
      {"PgDn PgUp", "a page of the list forward, back"},
      {"Home <  End >", "the first step, the last"},
      {"g", "go to a step by its number"},
      {"Space b", "a page of what is below forward, back"},
      {"J K", "a line of it"},
      {"t", "the page tables behind the step, or the step; * is what it changed"},
      {"m", "ask for a frame: to the next step that touches it"},
      {"c C", "the next, the previous step that touches this frame"},
      {"w W", "who holds this frame behind the step, or the step; of another frame"},
      {"x X", "the next, the previous message of Xen or the kernel"},
      {"f F", "the next, the previous call that failed or is not as recorded"},
      {"s S", "the next, the previous step of a scenario"},
      {"/", "search for text, in capitals or not"},
      {"n N", "the next, the previous step with this text"},
      {"Esc", "back to the step"},
      {"? q", "these keys; quit"},
  }};
  text_block lines;
  for (const auto& [key, does] : keys) lines.push_back({line_role::plain, 2, padded(key, 16) + does});
  return lines;
}

}  // namespace pvmmu::tools
