#include "tools/command.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace pvmmu::tools {

bool context::colored() const {
  if (json || color == color_choice::never) return false;
  if (color == color_choice::always) return true;
  const char* no_color = std::getenv("NO_COLOR");  // https://no-color.org
  return isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
}

bool context::shows_progress() const { return !quiet && isatty(STDERR_FILENO) != 0; }

void write_result(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot write to stdout");
}

}  // namespace pvmmu::tools
