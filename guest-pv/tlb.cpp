#include "guest-pv/tlb.h"

#include <utility>

namespace pvmmu::guest {
namespace {

constexpr u64 tlb_single_page_flush_ceiling = 33;  ///< strides

struct flush_tlb_info {
  mm& target;
  u64 start;
  u64 end;
  unsigned stride_shift;
};

// Part of the address space only if that brings this CPU up to date: a flush by the hypervisor on behalf of another CPU
// does not advance this CPU's generation, and the next local flush makes up for it with a full one.
void flush_tlb_func(kernel_state& k, const flush_tlb_info& f) {
  tlb_state& tlb = k.this_cpu_tlb();
  if (tlb.is_lazy) return switch_mm(k, k.init_mm);

  if (f.end != TLB_FLUSH_ALL && f.target.tlb_gen == tlb.tlb_gen + 1) {
    for (u64 va = f.start; va < f.end; va += u64{1} << f.stride_shift) k.pv->flush_tlb_one_user(va);
  } else {
    k.pv->flush_tlb_user();
  }
  tlb.tlb_gen = f.target.tlb_gen;
}

}  // namespace

void switch_mm(kernel_state& k, mm& next) {
  tlb_state& tlb = k.this_cpu_tlb();
  const u64 this_cpu = u64{1} << k.cpu.smp_processor_id();
  const bool was_lazy = std::exchange(tlb.is_lazy, false);
  if (tlb.loaded_mm == &next) {
    if (!was_lazy || tlb.tlb_gen == next.tlb_gen) return;
  } else {
    if (tlb.loaded_mm != &k.init_mm) tlb.loaded_mm->cpumask &= ~this_cpu;
    if (&next != &k.init_mm) next.cpumask |= this_cpu;
  }
  tlb.loaded_mm = &next;
  tlb.tlb_gen = next.tlb_gen;
  k.pv->write_cr3(next.pgd);
}

void enter_lazy_tlb(kernel_state& k) {
  tlb_state& tlb = k.this_cpu_tlb();
  if (tlb.loaded_mm != &k.init_mm) tlb.is_lazy = true;
}

void leave_mm(kernel_state& k) {
  if (k.this_cpu_tlb().loaded_mm != &k.init_mm) switch_mm(k, k.init_mm);
}

void flush_tlb_mm_range(kernel_state& k, mm& mm, u64 start, u64 end, unsigned stride_shift) {
  if (end == TLB_FLUSH_ALL || (end - start) >> stride_shift > tlb_single_page_flush_ceiling) {
    start = 0;
    end = TLB_FLUSH_ALL;
  }
  ++mm.tlb_gen;

  const u64 others = mm.cpumask & ~(u64{1} << k.cpu.smp_processor_id());
  const bool loaded_here = k.this_cpu_tlb().loaded_mm == &mm;
  const flush_tlb_info info{mm, start, end, stride_shift};
  if (k.profile().tlb_flush == remote_flush::one_multi && others != 0) {
    return k.pv->flush_tlb_multi(mm.cpumask, mm, start, end);
  }
  if (loaded_here) flush_tlb_func(k, info);
  k.pv->flush_tlb_multi(others, mm, start, end);
}

}  // namespace pvmmu::guest
