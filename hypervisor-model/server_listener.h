#pragma once
// Who hears what sessions do to one machine: all that anybody needs to do the same to another one.
//
//   server s({.listens = [](const machine& m, const wire::hello_request& first) {
//     return std::make_unique<my_listener>(m);
//   }});
//
// There is one for each machine. It is made with the machine, before the answer to the hello that asked for it, and
// goes when the last session leaves, before the machine does.

#include <functional>
#include <memory>

#include "hypervisor-model/machine/machine.h"
#include "wire.pb.h"

namespace pvmmu::xen {

class server_listener {
 public:
  virtual ~server_listener() = default;

  /// A guest's side says something, before the request that it came with is carried out, or refused.
  virtual void on_note(const wire::note& note) = 0;
  /// A create_domain, destroy_domain, hypercall or access request was carried out, and `reply` has its outcome, which
  /// has not been sent yet. Of a session that ends: a destroy_domain request for each of its domains, where others stay
  /// on the machine.
  virtual void on_request(const wire::request& request, const wire::reply& reply) = 0;
};

/// Makes the listener of a new machine, for which `first` asked. Throws std::runtime_error where there can be none:
/// then there is no machine either.
using server_listener_factory =
    std::function<std::unique_ptr<server_listener>(const machine& m, const wire::hello_request& first)>;

}  // namespace pvmmu::xen
