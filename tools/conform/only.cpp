#include "tools/conform/only.h"

#include <algorithm>
#include <array>

namespace pvmmu::conform {
namespace {

/// In the order of lab::call's alternatives.
constexpr std::array<std::string_view, std::variant_size_v<lab::call>> names_of_calls{
    "mmu_update", "mmuext_op",     "update_va_mapping", "set_gdt",   "update_descriptor",
    "vm_assist",  "map_grant_ref", "unmap_grant_ref",   "memory_op", "iret",
    "vcpu_op",    "raw_call",      "multicall",         "access"};
static_assert(!names_of_calls.back().empty());

bool pins(const lab::call& c) {
  const auto* op = std::get_if<lab::mmuext_op>(&c);
  return op && std::ranges::all_of(op->uops, [](const auto& e) { return e.cmd <= MMUEXT_PIN_L4_TABLE; });
}

}  // namespace

std::span<const std::string_view> call_names() { return names_of_calls; }

std::string_view name_of(const lab::call& c) { return names_of_calls[c.index()]; }

void keep_only(lab::program& p, std::string_view only) {
  std::erase_if(p.calls, [&](const lab::call& c) { return name_of(c) != only && !pins(c); });
}

}  // namespace pvmmu::conform
