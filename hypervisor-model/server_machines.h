#pragma once
// The machines of a server: private ones, and those that sessions share by name.

#include <expected>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "hypervisor-model/server_listener.h"

namespace pvmmu::xen {

/// A machine, and who listens to what is done to it.
struct served_machine {
  explicit served_machine(const machine_config& config) : m(config) {}
  machine m;
  std::unique_ptr<server_listener> listener{};  ///< often nobody
};

class server_machines {
 public:
  explicit server_machines(server_listener_factory listens = {}) : listens_(std::move(listens)) {}

  /// A new machine if `request` names none, otherwise the one of that name, which lives as long as somebody holds it.
  /// The error: there can be no such machine, or the one of that name is set up otherwise than asked for.
  std::expected<std::shared_ptr<served_machine>, std::string> join(const wire::hello_request& request);

 private:
  std::expected<std::shared_ptr<served_machine>, std::string> make(const wire::hello_request& request) const;

  server_listener_factory listens_;
  std::map<std::string, std::weak_ptr<served_machine>> shared_;
};

}  // namespace pvmmu::xen
