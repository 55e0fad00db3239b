#pragma once
// A terminal that shows screens and gives keys. What it is made with (ncurses) is known to terminal.cpp alone.
//
//   auto term = terminal::open(colored);
//   if (!term) say(term.error());            // "stdout is no terminal"
//   (*term)->show(b.draw((*term)->size()));
//   auto key = (*term)->read(terminal::patience::wait);

#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "tools/show/browser.h"

namespace pvmmu::tools {

class terminal {
 public:
  enum class patience { look, wait };  ///< whether to wait for a key

  /// Takes the screen. Keys come from stdin, or from the terminal itself where stdin is none. The error: why not.
  static std::expected<std::unique_ptr<terminal>, std::string> open(bool colored);
  /// Gives it back as it was.
  ~terminal();
  terminal(const terminal&) = delete;
  terminal& operator=(const terminal&) = delete;

  screen_size size() const;
  void show(const screen& s);
  /// Nothing: none was pressed.
  std::optional<key_press> read(patience p);
  /// The terminal is gone: there will be no more keys.
  bool gone() const;

 private:
  struct state;
  explicit terminal(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

/// Lets the user look through a recording until they have enough.
void browse(terminal& term, browser& b);

}  // namespace pvmmu::tools
