#include "tools/record_callers.h"

namespace pvmmu::tools {
namespace {

constexpr u64 stack_words = 128;         // that the plugin sends
constexpr std::size_t frame_words = 40;  // that a direct caller's return address may lie away
constexpr std::size_t callers_kept = 24;

bool leads_into_xen(const std::string& function) {
  return function.starts_with("xen_hypercall") || function == "hypercall_page";
}

}  // namespace

std::size_t caller_finder::find_return(std::span<const u64> stack, std::size_t at, u64 inner) const {
  std::size_t indirect = 0;
  for (std::size_t i = at; i < stack.size() && i < at + frame_words; ++i) {
    if (!symbols_.function(stack[i] - 1)) continue;
    const auto call = code_.call_before(stack[i]);
    if (!call) continue;
    if (call->target == inner) return i + 1;
    const lab::kernel_function* called = call->target ? symbols_.function(*call->target) : nullptr;
    const bool may_lead_anywhere = !call->target || (called && called->name.starts_with("__x86_indirect_thunk"));
    if (may_lead_anywhere && indirect == 0) indirect = i + 1;
  }
  return indirect;
}

std::vector<std::string> caller_finder::operator()(const lab::heard_entry& entry) const {
  std::vector<std::string> callers;
  const lab::kernel_function* inner = symbols_.function(entry.guest_rip);
  const std::vector<u64> stack = entry.memory.list<u64>(entry.guest_rsp, stack_words);
  for (std::size_t at = 0; inner && callers.size() < callers_kept;) {
    if (!callers.empty() || !leads_into_xen(inner->name)) callers.push_back(inner->name);
    at = find_return(stack, at, inner->begin);
    inner = at == 0 ? nullptr : symbols_.function(stack[at - 1] - 1);
  }
  return callers;
}

}  // namespace pvmmu::tools
