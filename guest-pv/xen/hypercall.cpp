#include "guest-pv/xen/hypercall.h"

#include <fmt/format.h>

#include <vector>

namespace pvmmu::guest {
namespace {

std::span<const mmu_update_t> updates_of(const hypercall& call) {
  const auto* update = std::get_if<mmu_update_call>(&call);
  return update ? update->ureqs.entries : std::span<const mmu_update_t>{};
}

}  // namespace

void bug(processor& cpu, std::string_view where) {
  const std::string line = fmt::format("kernel BUG in {}", where);
  cpu.printk(line);
  throw guest_stopped(guest_stopped::reason::bug, line);
}

// The lists are taken down before the call: one that was continued comes back with what its last piece had left.
long xen_hypercall::make(hypercall& call, std::string_view caller) {
  const auto* batch = std::get_if<multicall_call>(&call);
  if (!batch) {
    const auto updates = updates_of(call);
    const long result = cpu_.hypercall(call, caller);
    tables_.completed(updates, result);
    return result;
  }
  const std::span<multicall_entry> entries = batch->call_list;
  std::vector<std::span<const mmu_update_t>> updates;
  for (const multicall_entry& e : entries) updates.push_back(updates_of(e.call));
  const long result = cpu_.hypercall(call, caller);
  for (std::size_t i = 0; i < entries.size(); ++i) tables_.completed(updates[i], entries[i].result);
  return result;
}

void xen_hypercall::make_or_bug(hypercall call, std::string_view caller) {
  if (make(call, caller) != 0) bug(cpu_, caller);
}

}  // namespace pvmmu::guest
