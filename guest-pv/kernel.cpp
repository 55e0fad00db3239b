#include "guest-pv/kernel.h"

#include <fmt/format.h>

#include <cassert>
#include <cerrno>
#include <stdexcept>

#include "guest-pv/adopt.h"
#include "guest-pv/brk.h"
#include "guest-pv/create_file.h"
#include "guest-pv/exec.h"
#include "guest-pv/fault.h"
#include "guest-pv/fork.h"
#include "guest-pv/hand_made_calls.h"
#include "guest-pv/kernel_fault.h"
#include "guest-pv/kfence.h"
#include "guest-pv/madvise.h"
#include "guest-pv/mlock.h"
#include "guest-pv/mmap.h"
#include "guest-pv/mprotect.h"
#include "guest-pv/mremap.h"
#include "guest-pv/pgalloc.h"
#include "guest-pv/rmap.h"
#include "guest-pv/set_memory.h"
#include "guest-pv/tlb.h"
#include "guest-pv/userfaultfd.h"
#include "guest-pv/vmalloc.h"
#include "guest-pv/xen/mmu_pv.h"

namespace pvmmu::guest {
namespace {

start_info checked(start_info info, const kernel_config& config) {
  if (!config.profile) throw std::invalid_argument("kernel_config: no kernel profile");
  if (config.vcpus == 0 || config.vcpus > info.vcpus || config.vcpus > max_vcpus_per_domain) {
    throw std::invalid_argument(
        fmt::format("kernel_config: {} vCPUs asked for, the domain has {}", config.vcpus, info.vcpus));
  }
  if (config.nr_cpus < config.vcpus) {
    throw std::invalid_argument(
        fmt::format("kernel_config: {} vCPUs asked for, but NR_CPUS is {}", config.vcpus, config.nr_cpus));
  }
  const u64 first_table = (info.pt_base - info.virt_base) >> PAGE_SHIFT;
  if (info.virt_base % entry_span(2) != 0 || info.pt_base <= info.virt_base || info.nr_pt_frames == 0 ||
      first_table + info.nr_pt_frames > info.mapped_pages || info.mapped_pages > info.nr_pages) {
    throw std::invalid_argument("start_info: the page tables do not lie within the pages mapped from virt_base on");
  }
  const u64 last_va = info.virt_base + (info.mapped_pages << PAGE_SHIFT) - 1;
  if (table_slot(info.virt_base, 4) != 511 || table_slot(last_va, 4) != 511 || table_slot(last_va, 3) == 511) {
    throw std::invalid_argument("start_info: Linux's kernel lies in the top 512 GiB, below the last GiB");
  }
  return info;
}

/// context_switch: goes on as `next`, of `to`, or as a kernel thread. Returns the task that ran.
task context_switch(kernel_state& k, mm* to, task next) {
  task& current = k.this_cpu_task();
  k.pv->start_context_switch(current);
  if (to)
    switch_mm(k, *to);
  else
    enter_lazy_tlb(k);
  const task prev = std::exchange(current, next);
  k.pv->end_context_switch(current);
  return prev;
}

mm_result<void> check_word(u64 va) {
  if (va % 8 != 0) return std::unexpected(mm_error{22, fmt::format("-EINVAL: {:#x} is no multiple of 8", va)});
  return check_user_range(va & ~PAGE_OFFSET_MASK, PAGE_SIZE);
}

}  // namespace

kernel::kernel(hypercalls& xen, const start_info& info, kernel_config config)
    : state_(std::make_unique<kernel_state>(xen, checked(info, config), config)) {
  state_->pv = std::make_unique<mmu_pv>(*state_);
  by_hand_ = std::make_unique<hand_made_calls>(xen, *state_);
  state_->cpu.on_page_fault([this](const access_result& fault) { return do_kern_addr_fault(*state_, fault); });
}

kernel::~kernel() = default;

void kernel::boot() {
  state_->pv->pagetable_init();
  for (tlb_state& tlb : state_->tlb) tlb = {.loaded_mm = &state_->init_mm};
}

const kernel_config& kernel::config() const { return state_->config; }

kernel_state& kernel::on(vcpu_id_t cpu) const {
  if (cpu >= state_->config.vcpus) {
    throw std::invalid_argument(
        fmt::format("vCPU {} does not exist: the kernel runs on {}", cpu, state_->config.vcpus));
  }
  state_->cpu.run_as(cpu);
  return *state_;
}

// ---- what comes in between

void kernel::listen(moment_listener listener) { state_->cpu.listen(std::move(listener)); }

void kernel::aside(const std::function<void()>& other) { state_->cpu.aside(false, other); }

void kernel::interrupt(const std::function<void()>& handler) { state_->cpu.aside(true, handler); }

void kernel::preempt(mm* by, const std::function<void()>& other) {
  kernel_state& k = *state_;
  const tlb_state before = k.this_cpu_tlb();
  const task preempted = context_switch(k, by, {});
  state_->cpu.aside(false, other);
  context_switch(k, before.is_lazy ? nullptr : before.loaded_mm, preempted);
}

// ---- address spaces

mm& kernel::mm_alloc() {
  mm& created = state_->mms.emplace_front();
  pgd_alloc(*state_, created);
  return created;
}

mm& kernel::adopt_mm(std::span<const seen_table> tables, std::span<const seen_page> pages) {
  return guest::adopt_mm(*state_, tables, pages);
}

void kernel::activate_mm(vcpu_id_t cpu, mm& mm) {
  kernel_state& k = on(cpu);
  k.pv->activate_mm(mm);
  guest::switch_mm(k, mm);
}

mm& kernel::exec_mm(vcpu_id_t cpu) {
  on(cpu);
  mm& created = mm_alloc();
  activate_mm(cpu, created);
  return created;
}

mm_result<mm*> kernel::execve(vcpu_id_t cpu, const exec_image& image, mm* replaced) {
  kernel_state& k = on(cpu);
  mm& next = mm_alloc();
  if (auto done = do_execve(k, next, image, replaced); !done) {
    mmput(k, next);
    return std::unexpected(done.error());
  }
  return &next;
}

mm& kernel::fork(vcpu_id_t cpu, mm& parent) {
  on(cpu);
  mm& child = mm_alloc();
  dup_mmap(*state_, child, parent);
  return child;
}

void kernel::switch_mm(vcpu_id_t cpu, mm* mm) { context_switch(on(cpu), mm, {}); }

void kernel::exit_mmap(vcpu_id_t cpu, mm& mm) { mmput(on(cpu), mm); }

// ---- memory

mm_result<void> kernel::create_file(vcpu_id_t cpu, const std::string& name, u64 len, unsigned folio_order) {
  return guest::create_file(on(cpu), name, len, folio_order);
}

mm_result<void> kernel::mmap(vcpu_id_t cpu, mm& mm, u64 va, u64 len, const mapping& what) {
  return do_mmap(on(cpu), mm, va, len, what);
}

mm_result<void> kernel::munmap(vcpu_id_t cpu, mm& mm, u64 va, u64 len) { return do_munmap(on(cpu), mm, va, len); }

mm_result<void> kernel::mremap(vcpu_id_t cpu, mm& mm, u64 old_va, u64 old_len, u64 new_len, std::optional<u64> new_va) {
  return new_va ? do_mremap(on(cpu), mm, old_va, old_len, new_len, *new_va)
                : do_mremap_in_place(on(cpu), mm, old_va, old_len, new_len);
}

mm_result<void> kernel::mprotect(vcpu_id_t cpu, mm& mm, u64 va, u64 len, prot p) {
  return do_mprotect(on(cpu), mm, va, len, p);
}

mm_result<void> kernel::brk(vcpu_id_t cpu, mm& mm, u64 start, u64 end) { return do_brk(on(cpu), mm, start, end); }

mm_result<void> kernel::madvise_dontneed(vcpu_id_t cpu, mm& mm, u64 va, u64 len) {
  return guest::madvise_dontneed(on(cpu), mm, va, len);
}

mm_result<void> kernel::mlock(vcpu_id_t cpu, mm& mm, u64 va, u64 len) { return do_mlock(on(cpu), mm, va, len); }

mm_result<void> kernel::munlock(vcpu_id_t cpu, mm& mm, u64 va, u64 len) { return do_munlock(on(cpu), mm, va, len); }

mm_result<void> kernel::uffdio_register(vcpu_id_t cpu, mm& mm, u64 va, u64 len) {
  return userfaultfd_register(on(cpu), mm, va, len);
}

mm_result<void> kernel::uffdio_copy(vcpu_id_t cpu, mm& mm, u64 dst, u64 src, u64 len) {
  return guest::uffdio_copy(on(cpu), mm, dst, src, len);
}

mm_result<void> kernel::uffdio_move(vcpu_id_t cpu, mm& mm, u64 dst, u64 src, u64 len) {
  return guest::uffdio_move(on(cpu), mm, dst, src, len);
}

mm_result<u64> kernel::read(vcpu_id_t cpu, mm& mm, u64 va) {
  if (auto valid = check_word(va); !valid) return std::unexpected(valid.error());
  return access_user_memory(on(cpu), mm, va, fault_kind::read, 0);
}

mm_result<void> kernel::write(vcpu_id_t cpu, mm& mm, u64 va, u64 value) {
  if (auto valid = check_word(va); !valid) return valid;
  if (auto done = access_user_memory(on(cpu), mm, va, fault_kind::write, value); !done) {
    return std::unexpected(done.error());
  }
  return {};
}

mm_result<u64> kernel::page_referenced(vcpu_id_t cpu, mm& mm, u64 va) {
  return guest::page_referenced(on(cpu), mm, va);
}

// ---- the kernel's own memory

void kernel::kfence_protect(vcpu_id_t cpu, pfn_t page) { kfence_protect_page(on(cpu), page, true); }

void kernel::kfence_unprotect(vcpu_id_t cpu, pfn_t page) { kfence_protect_page(on(cpu), page, false); }

u64 kernel::vmap(vcpu_id_t cpu, std::span<const pfn_t> pages) { return guest::vmap(on(cpu), pages); }

mm_result<void> kernel::vunmap(vcpu_id_t cpu, u64 va) {
  if (guest::vunmap(on(cpu), va)) return {};
  return refused(EINVAL, fmt::format("-EINVAL: nothing was mapped by vmap at {:#x}", va));
}

void kernel::balloon_out(vcpu_id_t cpu, pfn_t page) { on(cpu).pv->decrease_reservation(page); }

u64 kernel::kernel_read(vcpu_id_t cpu, u64 va, bool in_lazy_mmu) {
  kernel_state& k = on(cpu);
  if (!in_lazy_mmu) return k.cpu.load(va, "kernel_read");
  k.pv->enter_lazy_mmu();
  const u64 value = k.cpu.load(va, "kernel_read");
  k.pv->leave_lazy_mmu();
  return value;
}

void kernel::debug_free_page(vcpu_id_t cpu, pfn_t page) { kernel_map_page(on(cpu), page, false); }

void kernel::debug_alloc_page(vcpu_id_t cpu, pfn_t page) {
  kernel_map_page(on(cpu), page, true);
  state_->tables.store_word(page, 0, 0);
}

void kernel::check_pt_base(vcpu_id_t cpu, pfn_t table) {
  kernel_state& k = on(cpu);
  k.cpu.before_traps([&] { k.pv->check_pt_base(table); });
}

// ---- suspend and resume

void kernel::suspend(vcpu_id_t cpu) { on(cpu).pv->pre_suspend(); }

void kernel::resume(vcpu_id_t cpu) { on(cpu).pv->post_suspend(); }

// ---- what can be seen

std::optional<mfn_t> kernel::table_of(const mm& mm, u64 va, unsigned level) const {
  assert(1 <= level && level <= 4);
  return find_entry(*state_, mm, va, level).transform([this](entry_ref e) { return pfn_to_mfn(e.table); });
}

std::optional<mfn_t> kernel::user_pgd_of(const mm& mm) const {
  return state_->pages[mm.pgd].user_pgd.transform([this](pfn_t pfn) { return pfn_to_mfn(pfn); });
}

std::optional<mfn_t> kernel::frame_of(const mm& mm, u64 va) const {
  const auto entry = find_entry(*state_, mm, va, 1);
  if (!entry || none(*state_, *entry)) return std::nullopt;
  return state_->pv->pte_pfn(state_->tables.read(*entry)).transform([this](pfn_t pfn) { return pfn_to_mfn(pfn); });
}

pfn_t kernel::alloc_page() { return state_->tables.alloc_zeroed_page(); }

void kernel::free_page(pfn_t page) { state_->pages.free_pages(page); }

mfn_t kernel::pfn_to_mfn(pfn_t pfn) const { return state_->p2m.pfn_to_mfn(pfn); }

std::optional<pfn_t> kernel::mfn_to_pfn(mfn_t mfn) const { return state_->p2m.mfn_to_pfn(mfn); }

u64 kernel::direct_map_va(pfn_t pfn) { return va_of(pfn); }

hypercalls& kernel::by_hand() { return *by_hand_; }

void kernel::trace_to(trace_listener* listener) { state_->cpu.trace_to(listener); }

std::span<const std::string> kernel::messages() const { return state_->cpu.log(); }

}  // namespace pvmmu::guest
