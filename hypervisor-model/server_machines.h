#pragma once
// The machines of a server: private ones, and those that sessions share by name.

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "hypervisor-model/machine/machine.h"

namespace pvmmu::xen {

class server_machines {
 public:
  /// A new machine if `name` is empty, otherwise the one of that name, which lives as long as somebody holds it. The
  /// error: there can be no such machine, or the one of that name is set up otherwise than `config`.
  std::expected<std::shared_ptr<machine>, std::string> join(const std::string& name,
                                                            const std::optional<machine_config>& config);

 private:
  std::map<std::string, std::weak_ptr<machine>> shared_;
};

}  // namespace pvmmu::xen
