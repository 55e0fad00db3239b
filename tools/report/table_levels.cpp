#include "tools/report/table_levels.h"

#include "hypervisor-model/machine/page_info.h"

namespace pvmmu::tools {

void add_table_levels(const hypercall& call, const std::function<u64(mfn_t)>& type_info_of,
                      std::map<u64, unsigned>& levels) {
  if (const auto* update = std::get_if<mmu_update_call>(&call))
    for (const mmu_update_t& u : update->ureqs.entries) {
      const mfn_t table = maddr_to_mfn({u.ptr});
      if (const unsigned level = xen::table_level(type_info_of(table)); level != 0) levels.emplace(table.n, level);
    }
  if (const auto* m = std::get_if<multicall_call>(&call))
    for (const multicall_entry& entry : m->call_list) add_table_levels(entry.call, type_info_of, levels);
}

}  // namespace pvmmu::tools
