#pragma once
// Looking through a recording on a terminal, without the terminal: what each key does, and what is to be seen.
//
//   browser b(title, steps);
//   b.press(key_press::of('g'), size);       // state + key → state
//   while (b.searching()) b.search_on();     // a stretch at a time, so that a key can end it
//   screen s = b.draw(size);                 // state + size → lines
//
// Above is the list of steps around the current one, below that step in full, or the page tables behind it.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/show/step_source.h"

namespace pvmmu::tools {

struct screen_size {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

struct screen_line {
  line_role role = line_role::plain;
  bool reversed = false;
  std::string text;
};

struct screen {
  std::vector<screen_line> lines{};     ///< as many as there are rows
  std::optional<std::size_t> cursor{};  ///< its column in the last line, while something is typed
};

struct key_press {
  enum class name { character, up, down, left, right, page_up, page_down, home, end, enter, escape, backspace, resize };
  name what = name::character;
  char character = 0;

  static key_press of(char c) { return {name::character, c}; }
  friend bool operator==(const key_press&, const key_press&) = default;
};

class browser {
 public:
  /// `title` stands in the first line. `steps` must stay, and have at least one.
  browser(std::string title, step_source& steps);

  void press(key_press key, screen_size size);
  screen draw(screen_size size);

  /// Where there is such a step.
  void go_to_step(u64 number);

  bool over() const { return over_; }
  bool searching() const { return search_.has_value(); }
  void search_on();

  /// The step that is looked at.
  std::size_t place() const { return place_; }

 private:
  enum class view { step, tree, help, why };
  enum class question { none, step, frame, why, text };
  using condition = std::function<bool(const step_facts&)>;
  struct search {
    condition wanted;
    std::string what;  ///< "change of mfn 0x1a0"
    bool forward = true;
    std::size_t at = 0;
  };

  void command(char c, screen_size size);
  void search_command(char c);
  void move(key_press::name key, screen_size size);
  void answer(key_press key);
  void ask(question q);
  void take_answer();
  void go_to(std::size_t place);
  void look_for(condition wanted, const std::string& what, bool forward);
  void explain();
  void look_for_frame(bool forward);
  void look_for_text(bool forward);
  void scroll(std::ptrdiff_t lines, screen_size size);
  text_block below();
  std::string last_line() const;

  std::string title_;
  step_source& steps_;
  std::size_t place_ = 0;
  view view_ = view::step;
  std::size_t top_ = 0;  ///< the first line that is seen of what is below
  text_block why_;       ///< who holds frame_ behind the step
  question question_ = question::none;
  std::string typed_;
  std::string said_;  ///< in the last line
  std::optional<mfn_t> frame_;
  std::string text_;  ///< that was searched for, in lower case
  std::optional<search> search_;
  bool over_ = false;
};

}  // namespace pvmmu::tools
