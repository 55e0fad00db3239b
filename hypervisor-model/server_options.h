#pragma once
// What those who come over the channel may use.

#include "hypervisor-model/server_listener.h"
#include "proto/abi/types.h"

namespace pvmmu::xen {

struct session_limits {
  u32 max_domains = 32;
  u64 max_pages = u64{1} << 22;                    ///< frames of memory of all its domains: 16 GiB
  u64 max_event_bytes_per_request = u64{1} << 28;  ///< as they are sent; what is beyond is counted, not sent
};

struct server_options {
  u32 max_sessions = 256;
  session_limits session{};
  server_listener_factory listens{};  ///< to each machine; none: nobody listens
};

}  // namespace pvmmu::xen
