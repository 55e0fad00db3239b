#include "tools/conform/memory_outcomes.h"

#include <array>

#include "hypervisor-model/domain.h"

namespace pvmmu::conform {

std::string_view memory_operation(const memory_op_call& call) {
  const auto* e = std::get_if<xen_memory_exchange>(&call.arg);
  const bool exchanges = (call.cmd & MEMOP_CMD_MASK) == XENMEM_exchange;
  if (exchanges && e && e->nr_exchanged != 0 && e->nr_exchanged < e->in.nr_extents) return "exchange: a later chunk";
  const std::string_view name = memory_op_cmd_name(call.cmd);
  return name.empty() ? "memory_op other command" : name;
}

std::string_view extents_outcome(const memory_op_call& call, u64 first, s64 result, bool began) {
  const u64 op = call.cmd & MEMOP_CMD_MASK;
  if (op == XENMEM_exchange || op == XENMEM_machphys_mfn_list || memory_op_cmd_name(op).empty()) return {};
  const auto* r = std::get_if<xen_memory_reservation>(&call.arg);
  if (!r || !began) return "refused";
  if (static_cast<u64>(result) == r->nr_extents) return "all";
  return static_cast<u64>(result) == first ? "none" : "some";
}

std::string_view decrease_operation(const xen::machine& m, const memory_op_call& call, u64 i) {
  static constexpr std::array<std::string_view, nr_aims> names = {
      "decrease: no frame", "decrease: L1",       "decrease: L2",       "decrease: L3",
      "decrease: L4",       "decrease: seg_desc", "decrease: writable", "decrease: no type held"};
  const auto* r = std::get_if<xen_memory_reservation>(&call.arg);
  if (!r || (call.cmd & MEMOP_CMD_MASK) != XENMEM_decrease_reservation) return {};
  if (i >= r->extent_start.entries.size()) return "decrease: no extent";
  const mfn_t mfn{r->extent_start.entries[i]};
  const bool anothers = m.mfn_valid(mfn) && m.page(mfn).owner != xen::owner_none &&
                        m.page(mfn).owner != m.current->dom->owner() && r->domid == DOMID_SELF;
  return anothers ? "decrease: another's" : names[static_cast<std::size_t>(aim_of(m, mfn))];
}

}  // namespace pvmmu::conform
