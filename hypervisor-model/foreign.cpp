#include "hypervisor-model/foreign.h"

#include "hypervisor-model/messages.h"

namespace pvmmu::xen {

domain* get_pg_owner(machine& m, vcpu& curr, domid_t domid) {
  if (domid == curr.dom->domid) {
    messages::own_domid_as_foreign(m);
    return nullptr;
  }
  switch (domid) {
    case DOMID_SELF: return curr.dom;
    case DOMID_IO: return &m.dom_io();
    case DOMID_XEN: return &m.dom_xen();
    default: break;
  }
  domain* const d = m.find_domain(domid);
  if (!d) messages::unknown_domain(m, domid);
  return d;
}

}  // namespace pvmmu::xen
