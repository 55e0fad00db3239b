#include "tools/show/terminal.h"

#define NCURSES_NOMACROS
#include <curses.h>
#include <langinfo.h>
#include <term.h>
#include <unistd.h>

#include <array>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

// term.h calls many things by short names.
#undef lines
#undef columns

namespace pvmmu::tools {

namespace {

constexpr int escape_delay = 25;        // milliseconds until a lone Escape is one
constexpr unsigned most_failures = 16;  // to read a key, in a row: then the terminal is gone
constexpr int control_c = 3, control_d = 4, control_l = 12, control_z = 26;

struct file_closer {
  void operator()(std::FILE* f) const { std::fclose(f); }
};
using file = std::unique_ptr<std::FILE, file_closer>;

enum color_pair : short { no_pair, blue_pair, red_pair, cyan_pair, magenta_pair, yellow_pair, green_pair };

void make_colors() {
  start_color();
  use_default_colors();
  static constexpr std::array<std::pair<color_pair, short>, 6> colors{{{blue_pair, COLOR_BLUE},
                                                                       {red_pair, COLOR_RED},
                                                                       {cyan_pair, COLOR_CYAN},
                                                                       {magenta_pair, COLOR_MAGENTA},
                                                                       {yellow_pair, COLOR_YELLOW},
                                                                       {green_pair, COLOR_GREEN}}};
  for (const auto& [pair, color] : colors) init_pair(pair, color, -1);
}

/// As paint.cpp has them.
attr_t attributes_of(line_role role) {
  const auto pair = [](color_pair p) { return static_cast<attr_t>(COLOR_PAIR(p)); };
  switch (role) {
    case line_role::plain: return A_NORMAL;
    case line_role::heading: return A_BOLD;
    case line_role::dim: return A_DIM;
    case line_role::call: return A_BOLD | pair(blue_pair);
    case line_role::bad:
    case line_role::failed: return A_BOLD | pair(red_pair);
    case line_role::change: return pair(cyan_pair);
    case line_role::work: return pair(magenta_pair);
    case line_role::flush: return pair(blue_pair);
    case line_role::message: return pair(yellow_pair);
    case line_role::good: return pair(green_pair);
  }
  return A_NORMAL;
}

std::optional<key_press> key_of(int code) {
  using name = key_press::name;
  switch (code) {
    case KEY_UP: return key_press{name::up};
    case KEY_DOWN: return key_press{name::down};
    case KEY_LEFT: return key_press{name::left};
    case KEY_RIGHT: return key_press{name::right};
    case KEY_PPAGE: return key_press{name::page_up};
    case KEY_NPAGE: return key_press{name::page_down};
    case KEY_HOME: return key_press{name::home};
    case KEY_END: return key_press{name::end};
    case KEY_ENTER:
    case '\n':
    case '\r': return key_press{name::enter};
    case KEY_BACKSPACE:
    case '\b':
    case 0x7f: return key_press{name::backspace};
    case 0x1b: return key_press{name::escape};
    case control_l:
    case KEY_RESIZE: return key_press{name::resize};
    default: break;
  }
  if (code < ' ' || code > 0xff) return std::nullopt;
  return key_press::of(static_cast<char>(code));
}

/// Arrows and dashes need UTF-8, whatever the user's language.
void choose_locale() {
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

/// newterm would end the program instead of saying what it cannot use.
std::optional<std::string> complaint_about_type() {
  const char* type = std::getenv("TERM");
  const auto complaint = [&](const char* what) {
    return std::string("a terminal of type \"") + (type ? type : "") + "\" " + what;
  };
  int error = 0;
  if (type == nullptr || setupterm(type, STDOUT_FILENO, &error) == ERR) return complaint("is not known");
  const bool places_its_cursor = cursor_address != nullptr;
  del_curterm(cur_term);  // newterm reads its own
  if (!places_its_cursor) return complaint("cannot place its cursor");
  return std::nullopt;
}

}  // namespace

struct terminal::state {
  file keys;  ///< where stdin is no terminal
  SCREEN* screen = nullptr;
  bool colored = false;
  unsigned failures = 0;

  ~state() {
    if (!screen) return;
    endwin();
    delscreen(screen);
  }
};

terminal::terminal(std::unique_ptr<state> s) : state_(std::move(s)) {}
terminal::~terminal() = default;

std::expected<std::unique_ptr<terminal>, std::string> terminal::open(bool colored) {
  if (isatty(STDOUT_FILENO) == 0) return std::unexpected("stdout is no terminal");
  auto s = std::make_unique<state>();
  if (isatty(STDIN_FILENO) == 0) {
    s->keys.reset(std::fopen("/dev/tty", "r"));
    if (!s->keys) return std::unexpected("stdin is no terminal, and there is no other to read keys from");
  }
  if (auto complaint = complaint_about_type()) return std::unexpected(*std::move(complaint));
  choose_locale();
  s->screen = newterm(nullptr, stdout, s->keys ? s->keys.get() : stdin);
  if (!s->screen) return std::unexpected("the terminal cannot be used");
  raw();  // Ctrl-C is a key: the terminal is always given back
  noecho();
  nonl();
  keypad(stdscr, true);
  set_escdelay(escape_delay);
  s->colored = colored && has_colors();
  if (s->colored) make_colors();
  return std::unique_ptr<terminal>(new terminal(std::move(s)));
}

screen_size terminal::size() const {
  return {static_cast<std::size_t>(getmaxx(stdscr)), static_cast<std::size_t>(getmaxy(stdscr))};
}

void terminal::show(const screen& s) {
  werase(stdscr);
  for (std::size_t row = 0; row < s.lines.size(); ++row) {
    const screen_line& line = s.lines[row];
    attr_t attributes = attributes_of(line.role);
    if (!state_->colored) attributes &= ~static_cast<attr_t>(A_COLOR);
    wattrset(stdscr, static_cast<int>(attributes | (line.reversed ? A_REVERSE : A_NORMAL)));
    mvwaddstr(stdscr, static_cast<int>(row), 0, line.text.c_str());
  }
  wattrset(stdscr, A_NORMAL);
  curs_set(s.cursor ? 1 : 0);
  if (s.cursor) wmove(stdscr, static_cast<int>(s.lines.size()) - 1, static_cast<int>(*s.cursor));
  wrefresh(stdscr);
}

std::optional<key_press> terminal::read(patience p) {
  wtimeout(stdscr, p == patience::wait ? -1 : 0);
  const int code = wgetch(stdscr);
  if (code == ERR) {
    if (p == patience::wait) ++state_->failures;
    return std::nullopt;
  }
  state_->failures = 0;
  if (code == control_c || code == control_d) return key_press::of('q');
  if (code == control_z) {
    std::raise(SIGTSTP);
    return key_press{key_press::name::resize};
  }
  if (code == control_l) clearok(curscr, true);
  return key_of(code);
}

bool terminal::gone() const { return state_->failures >= most_failures; }

void browse(terminal& term, browser& b) {
  while (!b.over() && !term.gone()) {
    term.show(b.draw(term.size()));
    const auto key = term.read(b.searching() ? terminal::patience::look : terminal::patience::wait);
    if (key) {
      b.press(*key, term.size());
    } else if (b.searching()) {
      b.search_on();
    }
  }
}

}  // namespace pvmmu::tools
