#pragma once
// What the subcommands of `pvmmu` have in common. Each subcommand is one file that offers
//
//   void add_run_command(CLI::App& app, context& ctx);
//
// which adds its options to `app` and a callback that does the work and leaves `ctx.status`. A callback throws
// `input_error` for what the user can mend; any other exception means that the tool or its environment failed.

#include <fmt/format.h>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>

namespace CLI {
class App;  // NOLINT(readability-identifier-naming): CLI11 named it
}

namespace pvmmu::tools {

enum class exit_status : int {
  as_expected = 0,
  finding = 1,      ///< a failed expectation, a difference, a broken invariant, an unexpected warning
  bad_input = 2,    ///< wrong usage or a file that cannot be understood
  tool_failed = 3,  ///< the tool itself or its environment
};

/// Something in what the user gave is wrong; the text says where, and what was expected.
class input_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class color_choice { automatic, always, never };

/// The options that every subcommand knows, and how it ended.
struct context {
  bool json = false;   ///< one JSON document on stdout, nothing else
  bool quiet = false;  ///< no talk on stderr; results and errors only
  color_choice color = color_choice::automatic;
  exit_status status = exit_status::as_expected;

  /// Whether results on stdout are coloured.
  bool colored() const;
  /// Whether a progress bar may be drawn: stderr is a terminal, and nobody asked for quiet.
  bool shows_progress() const;

  /// Talk: one line on stderr.
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) const {
    if (!quiet) fmt::print(stderr, "{}\n", fmt::format(format, std::forward<Args>(args)...));
  }
};

/// Writes results to stdout and throws where they cannot be written, so that a full disk is no silent success.
void write_result(const std::string& text);

void add_run_command(CLI::App& app, context& ctx);
void add_matrix_command(CLI::App& app, context& ctx);
void add_serve_command(CLI::App& app, context& ctx);
void add_import_command(CLI::App& app, context& ctx);
void add_replay_command(CLI::App& app, context& ctx);
void add_initrd_command(CLI::App& app, context& ctx);
void add_record_command(CLI::App& app, context& ctx);
void add_compare_command(CLI::App& app, context& ctx);
void add_conform_command(CLI::App& app, context& ctx);
void add_show_command(CLI::App& app, context& ctx);
void add_why_command(CLI::App& app, context& ctx);
void add_diff_command(CLI::App& app, context& ctx);

}  // namespace pvmmu::tools
