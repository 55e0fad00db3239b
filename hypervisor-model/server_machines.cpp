#include "hypervisor-model/server_machines.h"

#include <fmt/format.h>

#include <stdexcept>
#include <system_error>

namespace pvmmu::xen {

namespace {

constexpr std::size_t max_name_bytes = 64;

std::string described(const machine_config& config) {
  return fmt::format("{} frames and a {} build", config.frames, config.debug_build ? "debug" : "release");
}

std::expected<std::shared_ptr<machine>, std::string> make(const machine_config& config) try {
  return std::make_shared<machine>(config);
} catch (const std::invalid_argument& e) {
  return std::unexpected(e.what());
} catch (const std::system_error& e) {
  return std::unexpected(fmt::format("no address space for a machine of {} frames: {}", config.frames, e.what()));
}

}  // namespace

std::expected<std::shared_ptr<machine>, std::string> server_machines::join(
    const std::string& name, const std::optional<machine_config>& config) {
  if (name.empty()) return make(config.value_or(machine_config{}));
  if (name.size() > max_name_bytes)
    return std::unexpected(
        fmt::format("a machine's name of {} bytes, at most {} are expected", name.size(), max_name_bytes));
  std::erase_if(shared_, [](const auto& entry) { return entry.second.expired(); });
  if (const auto found = shared_.find(name); found != shared_.end()) {
    auto m = found->second.lock();
    if (config && *config != m->config())
      return std::unexpected(fmt::format("machine {:?} has {}, this session asks for {}", name, described(m->config()),
                                         described(*config)));
    return m;
  }
  auto m = make(config.value_or(machine_config{}));
  if (m) shared_.emplace(name, *m);
  return m;
}

}  // namespace pvmmu::xen
