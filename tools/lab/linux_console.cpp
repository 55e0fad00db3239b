#include "tools/lab/linux_console.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>

#include "tools/lab/fatal_line.h"
#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t lines_shown = 25;

}  // namespace

std::string linux_console::wait_for(std::string_view marker, std::chrono::seconds limit) {
  const deadline until{limit};
  while (true) {
    lines_.push_back(next_line(marker, until, limit));
    const std::string& line = lines_.back();
    if (const auto at = line.find(marker); at != std::string::npos) return line.substr(at);
    if (is_fatal(line)) fail_of_death(marker);
  }
}

std::vector<std::string> linux_console::read_until(std::string_view end, std::chrono::seconds limit) {
  const deadline until{limit};
  std::vector<std::string> read;
  for (std::string line = next_line(end, until, limit); line != end; line = next_line(end, until, limit))
    read.push_back(std::move(line));
  return read;
}

std::string linux_console::next_line(std::string_view awaited, const deadline& until, std::chrono::seconds limit) {
  if (auto line = port_.next_line(until)) return std::move(*line);
  if (port_.ended()) fail(awaited, fmt::format("QEMU ended by itself. {}", port_.complaints()));
  fail(awaited, fmt::format("{} s were not enough", limit.count()));
}

void linux_console::fail(std::string_view awaited, std::string_view why) {
  throw lab_error(fmt::format("waiting for {}: {}\nThe console's last lines:\n{}", awaited, why, last_lines()));
}

/// Whoever dies says why, and goes on to say it.
void linux_console::fail_of_death(std::string_view awaited) {
  const std::size_t first = lines_.size() - 1;
  const deadline all{3s};
  while (auto line = all.passed() ? std::nullopt : port_.next_line(deadline{300ms})) lines_.push_back(std::move(*line));
  fail(awaited, explain_death(std::span(lines_).subspan(first)));
}

std::string linux_console::last_lines() const {
  const std::size_t shown = std::min(lines_.size(), lines_shown);
  return fmt::format("  {}", fmt::join(std::span(lines_).last(shown), "\n  "));
}

}  // namespace pvmmu::lab
