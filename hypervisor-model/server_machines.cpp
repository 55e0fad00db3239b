#include "hypervisor-model/server_machines.h"

#include <fmt/format.h>

#include <stdexcept>
#include <system_error>

#include "proto/codec.h"

namespace pvmmu::xen {

namespace {

constexpr std::size_t max_name_bytes = 64;

std::string described(const machine_config& config) {
  return fmt::format("{} frames and a {} build{}", config.frames, config.debug_build ? "debug" : "release",
                     config.tlb ? ", with TLBs" : "");
}

machine_config config_of(const wire::hello_request& request) {
  return request.has_machine() ? decode(request.machine()) : machine_config{};
}

}  // namespace

std::expected<std::shared_ptr<served_machine>, std::string> server_machines::make(
    const wire::hello_request& request) const try {
  auto made = std::make_shared<served_machine>(config_of(request));
  if (listens_) made->listener = listens_(made->m, request);
  return made;
} catch (const std::invalid_argument& e) {
  return std::unexpected(e.what());
} catch (const std::system_error& e) {
  return std::unexpected(
      fmt::format("no address space for a machine of {} frames: {}", config_of(request).frames, e.what()));
} catch (const std::runtime_error& e) {
  return std::unexpected(e.what());
}

std::expected<std::shared_ptr<served_machine>, std::string> server_machines::join(const wire::hello_request& request) {
  const std::string& name = request.machine_name();
  if (name.empty()) return make(request);
  if (name.size() > max_name_bytes)
    return std::unexpected(
        fmt::format("a machine's name of {} bytes, at most {} are expected", name.size(), max_name_bytes));
  std::erase_if(shared_, [](const auto& entry) { return entry.second.expired(); });
  if (const auto found = shared_.find(name); found != shared_.end()) {
    auto served = found->second.lock();
    if (const machine_config asked = config_of(request); request.has_machine() && asked != served->m.config())
      return std::unexpected(fmt::format("machine {:?} has {}, this session asks for {}", name,
                                         described(served->m.config()), described(asked)));
    return served;
  }
  auto served = make(request);
  if (served) shared_.emplace(name, *served);
  return served;
}

}  // namespace pvmmu::xen
