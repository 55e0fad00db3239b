#include "tools/recorder/recorder.h"

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>
#include <utility>

#include "tools/command.h"
#include "tools/recorder/machine_recorder.h"

namespace pvmmu::tools {
namespace {

constexpr std::string_view latest = "latest";

/// The file of machine `number`: x.rec, x-2.rec, x-3.rec …
std::string path_of(const std::string& path, unsigned number) {
  if (number == 1) return path;
  const std::filesystem::path first(path);
  std::filesystem::path name = first.stem();
  name += fmt::format("-{}", number);
  name += first.extension();
  return first.parent_path() / name;
}

recording_writer begin_file(const std::string& path) {
  auto writer = recording_writer::create_live(path);
  if (!writer) throw std::runtime_error(writer.error());
  return *std::move(writer);
}

}  // namespace

recorder::recorder(std::string path, std::function<void(const std::string&)> say)
    : path_(std::move(path)), say_(std::move(say)) {
  if (std::filesystem::path(path_).filename() == latest)
    throw input_error(fmt::format("{}: another name is expected, this one is that of the link to the newest", path_));
  first_.emplace(begin_file(path_));
}

xen::server_listener_factory recorder::listens() {
  return [this](const xen::machine& m, const wire::hello_request& first) { return start(m, first); };
}

void recorder::check() const {
  if (error_) throw std::runtime_error(*error_);
}

std::vector<std::string> recorder::files() const {
  std::vector<std::string> paths;
  for (unsigned number = 1; number <= machines_; ++number) paths.push_back(path_of(path_, number));
  return paths;
}

std::unique_ptr<xen::server_listener> recorder::start(const xen::machine& m, const wire::hello_request& first) {
  const std::string path = path_of(path_, ++machines_);
  if (machines_ > 1) say_(fmt::format("machine {} is recorded in {}", machines_, path));
  recording_writer writer = first_ ? std::move(*first_) : begin_file(path);
  first_.reset();
  link_latest(path);
  return std::make_unique<machine_recorder>(std::move(writer), m, first, [this](const std::string& error) {
    say_(error);
    if (!error_) error_ = error;
  });
}

/// A link under another name takes the place of the old one at once: a reader finds one or the other.
void recorder::link_latest(const std::string& path) try {
  const std::filesystem::path file(path);
  const auto link = file.parent_path() / latest;
  const auto status = std::filesystem::symlink_status(link);
  if (std::filesystem::exists(status) && !std::filesystem::is_symlink(status))
    return say_(fmt::format("{} is no link, and is left alone: it does not name {}", link.string(), path));
  auto made = link;
  made += fmt::format(".{}", file.filename().string());
  std::filesystem::remove(made);
  std::filesystem::create_symlink(file.filename(), made);
  std::filesystem::rename(made, link);
} catch (const std::filesystem::filesystem_error& e) {
  say_(fmt::format("no link `{}` to {}: {}", latest, path, e.code().message()));
}

}  // namespace pvmmu::tools
