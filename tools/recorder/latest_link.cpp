#include "tools/recorder/latest_link.h"

#include <fmt/format.h>

#include <filesystem>

#include "tools/command.h"

namespace pvmmu::tools {
namespace {

constexpr std::string_view latest = "latest";

}  // namespace

void check_name(const std::string& recording_path) {
  if (std::filesystem::path(recording_path).filename() == latest)
    throw input_error(
        fmt::format("{}: another name is expected, this one is that of the link to the newest", recording_path));
}

/// A link under another name takes the place of the old one at once: a reader finds one or the other.
std::optional<std::string> link_latest(const std::string& recording_path) try {
  const std::filesystem::path file(recording_path);
  const auto link = file.parent_path() / latest;
  const auto status = std::filesystem::symlink_status(link);
  if (std::filesystem::exists(status) && !std::filesystem::is_symlink(status))
    return fmt::format("{} is no link, and is left alone: it does not name {}", link.string(), recording_path);
  auto made = link;
  made += fmt::format(".{}", file.filename().string());
  std::filesystem::remove(made);
  std::filesystem::create_symlink(file.filename(), made);
  std::filesystem::rename(made, link);
  return std::nullopt;
} catch (const std::filesystem::filesystem_error& e) {
  return fmt::format("no link `{}` to {}: {}", latest, recording_path, e.code().message());
}

}  // namespace pvmmu::tools
