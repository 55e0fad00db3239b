#include "tools/show/browser.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

#include "tools/command.h"
#include "tools/show/browser_help.h"
#include "tools/show/columns.h"

namespace pvmmu::tools {

namespace {

using name = key_press::name;

constexpr std::size_t searched_at_once = 64;  // steps

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::optional<u64> number_of(std::string_view digits, int base) {
  if (base == 16 && digits.starts_with("0x")) digits.remove_prefix(2);
  u64 number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  const bool whole = error == std::errc{} && end == digits.data() + digits.size();
  return whole ? std::optional(number) : std::nullopt;
}

bool mentions(const step_facts& f, const std::string& text) {
  const auto in = [&](const text_block& lines) {
    return std::ranges::any_of(lines,
                               [&](const text_line& l) { return lower(l.text).find(text) != std::string::npos; });
  };
  return in({f.line}) || in(f.before) || in(f.full) || in(f.messages);
}

bool says_something(const step_facts& f) {
  return !f.messages.empty() ||
         std::ranges::any_of(f.before, [](const text_line& l) { return l.role == line_role::message; });
}

}  // namespace

browser::browser(std::string title, step_source& steps) : title_(std::move(title)), steps_(steps) {}

void browser::press(key_press key, screen_size size) {
  if (key.what == name::resize) return;
  said_.clear();
  if (search_) {
    search_.reset();
    said_ = "search ended";
  } else if (question_ != question::none) {
    answer(key);
  } else if (key.what == name::character) {
    command(key.character, size);
  } else if (key.what == name::escape) {
    view_ = view::step;
    top_ = 0;
  } else {
    move(key.what, size);
  }
}

void browser::move(name key, screen_size size) {
  const std::size_t page = layout_of(size).list - 1;
  const std::size_t last = steps_.size() - 1;
  const auto seen_by_xen = [](const step_facts& f) { return !f.silent; };
  switch (key) {
    case name::down:
    case name::enter: return look_for(seen_by_xen, "step", true);
    case name::up:
    case name::backspace: return look_for(seen_by_xen, "step", false);
    case name::right: return go_to(std::min(place_ + 1, last));
    case name::left: return go_to(place_ - std::min<std::size_t>(place_, 1));
    case name::page_down: return go_to(std::min(place_ + page, last));
    case name::page_up: return go_to(place_ - std::min(place_, page));
    case name::home: return go_to(0);
    case name::end: return go_to(last);
    default: return;
  }
}

void browser::command(char c, screen_size size) {
  const auto page = static_cast<std::ptrdiff_t>(layout_of(size).below - 1);
  switch (c) {
    case 'q': over_ = true; return;
    case 'j': return move(name::down, size);
    case 'k': return move(name::up, size);
    case 'l': return move(name::right, size);
    case 'h': return move(name::left, size);
    case '<': return move(name::home, size);
    case 'G':
    case '>': return move(name::end, size);
    case ' ': return scroll(page, size);
    case 'b': return scroll(-page, size);
    case 'J': return scroll(1, size);
    case 'K': return scroll(-1, size);
    case 'g': return ask(question::step);
    case 'm': return ask(question::frame);
    case 'w':
      if (!frame_) return ask(question::why);
      return view_ == view::why ? go_to(place_) : explain();
    case 'W': return ask(question::why);
    case '/': return ask(question::text);
    case 't':
    case '?': {
      const view wanted = c == 't' ? view::tree : view::help;
      view_ = view_ == wanted ? view::step : wanted;
      return go_to(place_);
    }
    default: return search_command(c);
  }
}

void browser::search_command(char c) {
  const bool forward = std::islower(static_cast<unsigned char>(c)) != 0;
  switch (std::tolower(static_cast<unsigned char>(c))) {
    case 'c': return frame_ ? look_for_frame(forward) : ask(question::frame);
    case 'n': return text_.empty() ? ask(question::text) : look_for_text(forward);
    case 'x': return look_for(says_something, "message", forward);
    case 'f': return look_for([](const auto& f) { return f.failed || f.differs; }, "failed call", forward);
    case 's': return look_for([](const auto& f) { return f.begins_step; }, "step of a scenario", forward);
    default:
      said_ = fmt::format("{} does nothing; ? lists the keys", std::isprint(c) != 0 ? std::string(1, c) : "that");
  }
}

void browser::ask(question q) {
  question_ = q;
  typed_.clear();
}

void browser::answer(key_press key) {
  switch (key.what) {
    case name::character: typed_ += key.character; return;
    case name::backspace:
      if (typed_.empty()) question_ = question::none;
      // A character of UTF-8 is several bytes, all but the first 10xxxxxx.
      while (!typed_.empty() && (static_cast<unsigned char>(typed_.back()) & 0xc0) == 0x80) typed_.pop_back();
      if (!typed_.empty()) typed_.pop_back();
      return;
    case name::escape: question_ = question::none; return;
    case name::enter: return take_answer();
    default: return;
  }
}

void browser::take_answer() {
  const question asked = std::exchange(question_, question::none);
  if (asked == question::text && !typed_.empty()) text_ = lower(typed_);
  if (asked == question::text && !text_.empty()) return look_for_text(true);
  if (typed_.empty()) return;
  const std::optional<u64> number = number_of(typed_, asked == question::step ? 10 : 16);
  if (!number) {
    said_ = fmt::format("{}: {} is expected", typed_,
                        asked == question::step ? "the number of a step" : "the hexadecimal number of a frame");
    return;
  }
  if (asked == question::step) return go_to_step(*number);
  frame_ = mfn_t{*number};
  if (asked == question::why) return explain();
  look_for_frame(true);
}

void browser::go_to(std::size_t place) {
  place_ = place;
  top_ = 0;
  if (view_ == view::why) view_ = view::step;  // it takes its time
  if (view_ != view::tree) return;
  // To what the step changed.
  const text_block lines = steps_.tree(place_);
  const auto change = std::ranges::find(lines, line_role::change, &text_line::role);
  if (change != lines.end()) top_ = static_cast<std::size_t>(change - lines.begin());
  top_ -= std::min<std::size_t>(top_, 3);
}

void browser::go_to_step(u64 number) {
  if (const auto place = steps_.place_of(number)) return go_to(*place);
  said_ = fmt::format("there is no step {}: there are 1 to {}", number, steps_.size());
}

/// Who holds the frame that was asked for last.
void browser::explain() {
  try {
    why_ = steps_.why(place_, *frame_);
    view_ = view::why;
    top_ = 0;
  } catch (const input_error& e) {
    said_ = e.what();
  }
}

void browser::look_for_frame(bool forward) {
  look_for([mfn = frame_->n](const step_facts& f) { return std::ranges::binary_search(f.frames, mfn); },
           fmt::format("step that touches mfn {:#x}", frame_->n), forward);
}

void browser::look_for_text(bool forward) {
  look_for([text = text_](const step_facts& f) { return mentions(f, text); }, fmt::format("step with \"{}\"", text_),
           forward);
}

void browser::look_for(condition wanted, const std::string& what, bool forward) {
  search_ = search{std::move(wanted), what, forward, place_};
  search_on();
}

void browser::search_on() {
  for (std::size_t i = 0; i < searched_at_once; ++i) {
    if (search_->at == (search_->forward ? steps_.size() - 1 : 0)) {
      said_ = fmt::format("no {} {} this one", search_->what, search_->forward ? "behind" : "before");
      return search_.reset();
    }
    search_->at = search_->forward ? search_->at + 1 : search_->at - 1;
    if (search_->wanted(steps_.facts(search_->at))) {
      if (search_->what != "step") said_ = search_->what;
      go_to(search_->at);
      return search_.reset();
    }
  }
}

void browser::scroll(std::ptrdiff_t lines, screen_size size) {
  const std::size_t all = wrapped(below(), size.columns).size();
  const std::size_t rows = layout_of(size).below;
  const auto last = static_cast<std::ptrdiff_t>(all > rows ? all - rows : 0);
  top_ = static_cast<std::size_t>(std::clamp(static_cast<std::ptrdiff_t>(top_) + lines, std::ptrdiff_t{0}, last));
}

text_block browser::below() {
  if (view_ == view::help) return browser_help();
  if (view_ == view::tree) return steps_.tree(place_);
  if (view_ == view::why) return why_;
  const step_facts& f = steps_.facts(place_);
  text_block lines = f.before;
  lines.insert(lines.end(), f.full.begin(), f.full.end());
  return lines;
}

}  // namespace pvmmu::tools
