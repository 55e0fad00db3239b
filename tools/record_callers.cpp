#include "tools/record_callers.h"

namespace pvmmu::tools {
namespace {

constexpr u64 stack_words = 192;         // that the plugin sends
constexpr std::size_t near_words = 40;   // that an indirect call's return address may lie away
constexpr std::size_t frame_words = 80;  // … and that of a call that names its function
constexpr std::size_t callers_kept = 24;

bool leads_into_xen(const std::string& function) {
  return function.starts_with("xen_hypercall") || function == "hypercall_page";
}

}  // namespace

auto caller_finder::find_return(std::span<const u64> stack, std::size_t at, u64 inner) const
    -> std::optional<found_frame> {
  std::optional<found_frame> indirect;
  for (std::size_t i = at; i < stack.size() && i < at + frame_words; ++i) {
    if (!symbols_.function(stack[i] - 1)) continue;
    const auto call = code_.call_before(stack[i]);
    if (!call) continue;
    if (call->target == inner) return found_frame{i + 1};
    const lab::kernel_function* called = call->target ? symbols_.function(*call->target) : nullptr;
    if (called && code_.jumps(called->begin, called->end, inner)) return found_frame{i + 1, called};
    const bool leads_anywhere = !call->target || (called && called->name.starts_with("__x86_indirect_thunk"));
    if (leads_anywhere && !indirect && i < at + near_words) indirect = found_frame{i + 1};
  }
  return indirect;
}

std::vector<std::string> caller_finder::operator()(const lab::heard_entry& entry) const {
  std::vector<std::string> callers;
  const lab::kernel_function* inner = symbols_.function(entry.guest_rip);
  const std::vector<u64> stack = entry.memory.list<u64>(entry.guest_rsp, stack_words);
  for (std::size_t at = 0; inner && callers.size() < callers_kept;) {
    if (!callers.empty() || !leads_into_xen(inner->name)) callers.push_back(inner->name);
    const auto frame = find_return(stack, at, inner->begin);
    if (!frame) break;
    if (frame->tail) callers.push_back(frame->tail->name);
    at = frame->next;
    inner = symbols_.function(stack[at - 1] - 1);
  }
  return callers;
}

}  // namespace pvmmu::tools
