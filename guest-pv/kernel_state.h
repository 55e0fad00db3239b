#pragma once
// All that one running kernel consists of. The operations of the mm are functions on it, one operation a file.

#include <list>
#include <map>
#include <memory>

#include "guest-pv/mm.h"
#include "guest-pv/pv_mmu_ops.h"
#include "guest-pv/task.h"
#include "guest-pv/vmalloc.h"

namespace pvmmu::guest {

/// What a CPU has loaded (cpu_tlbstate, linux 6.1 tlbflush.h).
struct tlb_state {
  mm* loaded_mm = nullptr;
  u64 tlb_gen = 0;       ///< flushes of loaded_mm that this CPU has caught up with
  bool is_lazy = false;  ///< a kernel thread runs on the loaded tables
};

struct kernel_state {
  kernel_state(hypercalls& xen, const start_info& info_, kernel_config config_)
      : config(config_),
        info(info_),
        p2m(info_.p2m, info_.nr_pages),
        cpu(xen),
        tables(cpu, pages, p2m),
        tlb(config_.vcpus),
        tasks(config_.vcpus) {}

  const kernel_profile& profile() const { return *config.profile; }
  tlb_state& this_cpu_tlb() { return tlb[cpu.smp_processor_id()]; }
  task& this_cpu_task() { return tasks[cpu.smp_processor_id()]; }

  const kernel_config config;
  const start_info info;
  class p2m p2m;
  processor cpu;
  page_allocator pages;
  page_tables tables;
  std::unique_ptr<pv_mmu_ops> pv;
  mm init_mm;
  std::vector<tlb_state> tlb;
  std::vector<task> tasks;  ///< per CPU: the current one
  std::map<std::string, std::shared_ptr<page_cache>> files;
  vmap_areas vmalloc;
  std::list<mm> mms;  ///< the newest first, as on Linux's pgd_list
};

/// EINVAL, ENOMEM … with what was expected and what was found.
inline std::unexpected<mm_error> refused(int error, std::string text) {
  return std::unexpected(mm_error{error, std::move(text)});
}

/// The frame that reads of untouched memory see (empty_zero_page): in the kernel's image.
inline constexpr pfn_t zero_pfn{0};

}  // namespace pvmmu::guest
