#include "tools/recorder/recorder.h"

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>
#include <utility>

#include "tools/recorder/latest_link.h"
#include "tools/recorder/machine_recorder.h"

namespace pvmmu::tools {
namespace {

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
  check_name(path_);
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
  if (const auto why_not = link_latest(path)) say_(*why_not);
  return std::make_unique<machine_recorder>(std::move(writer), m, first, [this](const std::string& error) {
    say_(error);
    if (!error_) error_ = error;
  });
}

}  // namespace pvmmu::tools
