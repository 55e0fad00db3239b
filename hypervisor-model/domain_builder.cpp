#include "hypervisor-model/domain_builder.h"

#include <bit>
#include <cassert>

#include "hypervisor-model/grant_table.h"
#include "hypervisor-model/page_type.h"
#include "proto/abi/hypercall.h"

namespace pvmmu::xen {
namespace {

constexpr u64 large_page = u64{1} << 22;     ///< what the initial mapping is rounded up to
constexpr u64 padding_min = u64{512} << 10;  ///< bytes mapped beyond the stack, at least

/// Where things lie from virt_base on, in this order: kernel, initial ramdisk, p2m list, start_info, page tables,
/// stack, padding.
struct layout {
  u64 virt_base;
  u64 pt_base;  ///< virtual address of the page tables
  u64 nr_pt_frames;
  u64 mapped_pages;
};

/// Tables of `level` + 1 that a range of addresses needs: one for each span of an entry of the level above.
u64 tables_for(u64 start, u64 end, unsigned shift) {
  const u64 span = u64{1} << shift;
  return ((end - 1) / span) - (start / span) + 1;
}

u64 pages_of(u64 bytes) { return bytes / PAGE_SIZE + (bytes % PAGE_SIZE != 0 ? 1 : 0); }

/// The page tables map themselves, so their number depends on itself: the first number that is enough (xen 4.17
/// pv/dom0_build.c:540).
layout plan(const domain_config& config) {
  const u64 p2m_pages = pages_of(config.pages * sizeof(u64));
  constexpr u64 start_info_pages = 1, stack_pages = 1;
  const u64 pages_before = config.kernel_pages + pages_of(config.initrd_bytes) + p2m_pages + start_info_pages;
  const u64 pt_base = config.virt_base + pages_before * PAGE_SIZE;
  for (u64 nr_pt = 2;; ++nr_pt) {
    const u64 stack_end = pt_base + (nr_pt + stack_pages) * PAGE_SIZE;
    u64 end = (stack_end + large_page - 1) & ~(large_page - 1);
    if (end - stack_end < padding_min) end += large_page;
    const u64 needed = 1 + tables_for(config.virt_base, end, 39) + tables_for(config.virt_base, end, 30) +
                       tables_for(config.virt_base, end, 21);
    if (needed <= nr_pt) return {config.virt_base, pt_base, nr_pt, (end - config.virt_base) / PAGE_SIZE};
  }
}

/// What the domain must have at least. Xen takes what dom0 maps, but for the ramdisk, in one piece, whose size is a
/// power of two (xen 4.17 pv/dom0_build.c:589).
u64 pages_needed(const domain_config& config, const layout& l) {
  if (config.kind != domain_kind::dom0) return l.mapped_pages;
  const u64 initrd_pages = pages_of(config.initrd_bytes);
  return std::bit_ceil(l.mapped_pages - initrd_pages) + initrd_pages;
}

std::expected<layout, std::string> checked_plan(const machine& m, const domain_config& config) {
  const auto refused = [](std::string why) { return std::unexpected(std::move(why)); };
  if (config.vcpus < 1 || config.vcpus > max_vcpus_per_domain) {
    return refused(fmt::format("a domain has 1 to {} vCPUs, not {}", max_vcpus_per_domain, config.vcpus));
  }
  if (config.pages > m.config().frames) {
    return refused(
        fmt::format("a domain of {} pages does not fit a machine of {} frames", config.pages, m.config().frames));
  }
  // The top 2 GiB hold any kernel; below, a range must not reach into Xen's slots or wrap.
  if (config.virt_base % large_page != 0 || !addr_ok(config.virt_base) || config.kernel_pages > config.pages) {
    return refused(
        fmt::format("virt_base {:#x} must be a guest address on a 4 MiB boundary, kernel_pages {} at most the "
                    "domain's {} pages",
                    config.virt_base, config.kernel_pages, config.pages));
  }
  if (pages_of(config.initrd_bytes) > config.pages) {
    return refused(fmt::format("an initial ramdisk of {} bytes does not fit a domain of {} pages", config.initrd_bytes,
                               config.pages));
  }
  const layout l = plan(config);
  if (const u64 needed = pages_needed(config, l); needed > config.pages) {
    return refused(
        fmt::format("a domain of {} pages is too small: kernel and start-up tables need {}", config.pages, needed));
  }
  const u64 last = config.virt_base + l.mapped_pages * PAGE_SIZE - 1;
  if (last < config.virt_base || !addr_ok(last) || table_slot(last, 4) != table_slot(config.virt_base, 4)) {
    return refused(
        fmt::format("{:#x} … {:#x} is no range of guest addresses within one L4 slot", config.virt_base, last));
  }
  return l;
}

/// Writes the start-up tables as plain data, as the builder does before anything is a page table.
class table_writer {
 public:
  table_writer(machine& m, const std::vector<mfn_t>& p2m, const layout& l, domain_kind kind)
      : m_(m),
        p2m_(p2m),
        layout_(l),
        first_pt_((l.pt_base - l.virt_base) / PAGE_SIZE),
        next_pt_(first_pt_),
        l1_flags_(kind == domain_kind::dom0 ? PAGE_PRESENT | PAGE_RW | PAGE_ACCESSED | PAGE_USER | PAGE_GUEST_KERNEL
                                            : PAGE_PRESENT | PAGE_RW | PAGE_ACCESSED) {}

  /// Returns the L4.
  mfn_t write() {
    const mfn_t l4 = next_table();
    for (u64 pfn = 0; pfn < layout_.mapped_pages; ++pfn) map_page(l4, pfn);
    assert(next_pt_ <= first_pt_ + layout_.nr_pt_frames);
    return l4;
  }

 private:
  mfn_t next_table() { return p2m_[next_pt_++]; }

  void map_page(mfn_t l4, u64 pfn) {
    const u64 va = layout_.virt_base + pfn * PAGE_SIZE;
    if (pfn == 0 || table_slot(va, 1) == 0) start_tables(l4, va, pfn == 0);
    const bool is_table = pfn >= first_pt_ && pfn < first_pt_ + layout_.nr_pt_frames;
    m_.words(l1_)[table_slot(va, 1)] = make_pte(p2m_[pfn], is_table ? l1_flags_ & ~PAGE_RW : l1_flags_);
  }

  /// New tables where an address begins one: the lowest first, as Xen takes them.
  void start_tables(mfn_t l4, u64 va, bool first) {
    constexpr u64 flags = PAGE_PRESENT | PAGE_RW | PAGE_ACCESSED | PAGE_USER | PAGE_DIRTY;
    l1_ = next_table();
    if (first || table_slot(va, 2) == 0) {
      l2_ = next_table();
      if (first || table_slot(va, 3) == 0) {
        l3_ = next_table();
        m_.words(l4)[table_slot(va, 4)] = make_pte(l3_, flags);
      }
      m_.words(l3_)[table_slot(va, 3)] = make_pte(l2_, flags);
    }
    m_.words(l2_)[table_slot(va, 2)] = make_pte(l1_, flags);
  }

  machine& m_;
  const std::vector<mfn_t>& p2m_;
  const layout& layout_;
  u64 first_pt_;
  u64 next_pt_;
  u64 l1_flags_;
  mfn_t l1_, l2_, l3_;
};

std::vector<p2m_run> runs_of(const std::vector<mfn_t>& p2m) {
  std::vector<p2m_run> runs;
  for (u64 pfn = 0; pfn < p2m.size(); ++pfn) {
    if (!runs.empty() && runs.back().mfn + runs.back().frames == p2m[pfn]) {
      ++runs.back().frames;
    } else {
      runs.push_back({{pfn}, p2m[pfn], 1});
    }
  }
  return runs;
}

/// What dom0 may map of what is not memory: all below the end of physical addresses but the local APICs, as Debian's
/// Xen 4.17.7 prints it under QEMU (`q` on its console; xen 4.17 dom0_build.c dom0_setup_permissions).
std::vector<mfn_range> dom0_iomem_caps() { return {{{0}, {0xfedff}}, {{0xfef00}, {0xfffffff}}}; }

/// PIN_L4, and the first vCPU's CR3: from here on the tables are tables.
void take_l4(machine& m, domain& d, mfn_t l4) {
  page_info& pg = m.page(l4);
  for (int reference = 0; reference < 2; ++reference) {
    [[maybe_unused]] const bool owned = get_page(m, pg, d);
    [[maybe_unused]] const outcome typed = get_page_type_preemptible(m, pg, PGT_l4_page_table);
    assert(owned && typed && "the builder's own tables are valid");
  }
  m.set_type_info(pg, pg.type_info | PGT_pinned);
  m.write_pte(l4, first_xen_slot, m.xen_l4_slots[0]);  // a kernel's table sees the machine-to-phys table
  d.vcpus[0]->guest_table = l4;
  m.notify(event_kind::cr3, 0, l4, 0, l4.n);
}

std::vector<mfn_t> populate(machine& m, domain& d, u64 pages) {
  std::vector<mfn_t> p2m;
  while (p2m.size() < pages) {
    const auto mfn = m.alloc_domheap_page(d);
    if (!mfn) break;
    m.set_gpfn_from_mfn(*mfn, p2m.size());
    p2m.push_back(*mfn);
  }
  return p2m;
}

/// The pages that Xen gives every domain to share: shared_info and the first of its grant table.
bool share_xens_pages(machine& m, domain& d) {
  const auto mfn = m.alloc_xenheap_page();
  if (!mfn) return false;
  share_xen_page_with_guest(m, d, *mfn);
  d.shared_info = *mfn;
  return gnttab_grow_table(m, d).has_value();
}

}  // namespace

std::expected<start_info, std::string> build_domain(machine& m, const domain_config& config) {
  const auto l = checked_plan(m, config);
  if (!l) return std::unexpected(l.error());
  domain& d = m.add_domain(config.kind);
  for (vcpu_id_t id = 0; id < config.vcpus; ++id) {
    d.vcpus.push_back(std::make_unique<vcpu>());
    d.vcpus.back()->id = id;
    d.vcpus.back()->dom = &d;
  }
  d.vcpus[0]->is_initialised = d.vcpus[0]->is_up = true;
  if (config.vm_assist_writable_pagetables) d.vm_assist |= u64{1} << VMASST_TYPE_writable_pagetables;
  if (d.privileged) d.iomem_caps = dom0_iomem_caps();
  if (!d.privileged) d.max_pages = config.pages;

  const std::vector<mfn_t> p2m = populate(m, d, config.pages);
  if (p2m.size() < config.pages || !share_xens_pages(m, d)) {
    m.remove_domain(d.domid);
    return std::unexpected(fmt::format(
        "memory is short: {} pages are free, but the domain needs {} and 2 of Xen's heap", p2m.size(), config.pages));
  }
  m.current = d.vcpus[0].get();
  preemption* const schedule = m.preempt_by(nullptr);  // the builder restarts until it is done
  take_l4(m, d, table_writer(m, p2m, *l, config.kind).write());
  m.preempt_by(schedule);
  m.current = nullptr;
  return start_info{d.domid,         config.pages, config.vcpus,    l->virt_base,
                    l->mapped_pages, l->pt_base,   l->nr_pt_frames, runs_of(p2m)};
}

}  // namespace pvmmu::xen
