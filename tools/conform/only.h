#pragma once
// Programs with calls of one kind.

#include <span>
#include <string_view>

#include "tools/lab/program.h"

namespace pvmmu::conform {

/// "mmu_update", …, "multicall", "access": what a call may be.
std::span<const std::string_view> call_names();

std::string_view name_of(const lab::call& c);

/// Drops all calls but those named `only` and mmuext_ops that pin: without pins there are no tables to work on.
void keep_only(lab::program& p, std::string_view only);

}  // namespace pvmmu::conform
