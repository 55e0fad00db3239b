#pragma once
// Building a domain as Xen's dom0 builder does (xen 4.17 pv/dom0_build.c) or as the tools build a domU
// (tools/libs/guest/xg_dom_x86.c): the same tables, and the same counts once the domain can run.

#include <expected>
#include <string>

#include "hypervisor-model/domain.h"

namespace pvmmu::xen {

/// Adds a domain to the machine. The error says what of `config` cannot be, or that memory is short.
std::expected<start_info, std::string> build_domain(machine& m, const domain_config& config);

}  // namespace pvmmu::xen
