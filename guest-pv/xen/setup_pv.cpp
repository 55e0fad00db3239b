// The kernel's own address space, built on top of the builder's.
//
// Linux builds its tables anew and gives the builder's back; this is not that code, call for call, but it ends in the
// same kind of state with a few dozen hypercalls:
//
//   L4 (the builder's, pinned) ── 511 ── the builder's L3 ─┬─ L2 ─ L1s: pfn i at virt_base + i pages
//                              │                           └─ 511: L2 ─ L1: the fixmap
//                              └─ 273 ── L3 ─ L2s ─ L1s: the direct map, pfn i at PAGE_OFFSET + i pages
//
// The direct map refers to the builder's own L1s for the frames that these map, so that each frame has one mapping, as
// in Linux once the kernel's image is mapped apart; further L1s are new. They are filled while they are still ordinary
// writable memory, made read-only, and become tables when the direct map's L3 is hooked into the L4.

#include <fmt/format.h>

#include <stdexcept>

#include "guest-pv/pgalloc.h"
#include "guest-pv/tlb.h"
#include "guest-pv/xen/fixmap.h"
#include "guest-pv/xen/mmu_pv.h"

namespace pvmmu::guest {
namespace {

constexpr u64 image_pages = 16;  ///< frames that are not given to the allocator: the zero page, per-CPU data
constexpr u64 KERNPG_TABLE = PAGE_PRESENT | PAGE_RW | PAGE_ACCESSED | PAGE_DIRTY;

pfn_t pfn_of_va(const start_info& info, u64 va) { return {(va - info.virt_base) >> PAGE_SHIFT}; }

class kernel_tables {
 public:
  kernel_tables(kernel_state& k, xen_hypercall& xen) : k_(k), xen_(xen), info_(k.info) {}

  void find_builders_tables();
  void give_memory_to_the_allocator();
  void build_direct_map();
  void build_fixmap(pfn_t shared_info);
  /// Makes the new tables read-only, then hooks them in.
  void go_live(multicalls& mc);

  pfn_t pgd() const { return pfn_of_va(info_, info_.pt_base); }

 private:
  pfn_t table_below_entry(entry_ref e);
  pfn_t new_table();
  pfn_t direct_l1(u64 chunk);
  void fill_l1(pfn_t table, u64 first_pfn, unsigned first_slot);
  void link(entry_ref e, pfn_t table) {
    k_.tables.native_set(e, k_.pv->make_pte(table, KERNPG_TABLE), "xen_setup_kernel_pagetable");
  }

  kernel_state& k_;
  xen_hypercall& xen_;
  const start_info& info_;
  pfn_t builders_l3_{};
  std::vector<pfn_t> builders_l1s_;
  std::vector<pfn_t> new_tables_;
  std::vector<std::pair<entry_ref, pfn_t>> hooks_;  ///< entries of the builder's tables, and what they shall refer to
};

pfn_t kernel_tables::table_below_entry(entry_ref e) {
  const pte_t entry = k_.tables.load(e);
  const auto pfn = present(entry) ? k_.pv->pte_pfn(entry) : std::nullopt;
  if (!pfn) throw std::invalid_argument("start_info: virt_base is not mapped by tables of the domain");
  return *pfn;
}

// All page-table frames are PagePinned from the start; what they hold is not known.
void kernel_tables::find_builders_tables() {
  for (u64 i = 0; i < info_.nr_pt_frames; ++i) {
    page& pg = k_.pages[pgd() + i];
    pg.pinned = true;
    pg.maybe_nonzero.set();
  }
  builders_l3_ = table_below_entry({pgd(), table_slot(info_.virt_base, 4)});
  for (u64 va = info_.virt_base; va < info_.virt_base + (info_.mapped_pages << PAGE_SHIFT); va += PMD_SIZE) {
    const pfn_t l2 = table_below_entry({builders_l3_, table_slot(va, 3)});
    builders_l1s_.push_back(table_below_entry({l2, table_slot(va, 2)}));
  }
}

// Low memory first: only what the builder mapped can be reached before the direct map exists.
void kernel_tables::give_memory_to_the_allocator() {
  const pfn_t tables_end = pgd() + info_.nr_pt_frames;
  const pfn_t start_info_page{pgd().n - 1};
  k_.pages.add_range(pfn_t{image_pages}, start_info_page);
  k_.pages.add_range(tables_end, pfn_t{info_.nr_pages});
}

pfn_t kernel_tables::new_table() {
  const pfn_t table = k_.tables.alloc_zeroed_page();
  if (table.n >= info_.mapped_pages) throw std::invalid_argument("start_info: too few pages mapped for a kernel");
  new_tables_.push_back(table);
  return table;
}

/// Entries for the frames from `first_pfn` on, to the end of the table or of memory, in one hypercall: the table is
/// plain memory still, or one of the builder's.
void kernel_tables::fill_l1(pfn_t table, u64 first_pfn, unsigned first_slot) {
  std::vector<mmu_update_t> updates;
  for (unsigned slot = first_slot; slot < entries_per_table && first_pfn < info_.nr_pages; ++slot, ++first_pfn) {
    updates.push_back(
        {k_.tables.machine_address_of({table, slot}).bytes, k_.pv->make_pte(pfn_t{first_pfn}, PAGE_KERNEL)});
  }
  if (updates.empty()) return;
  xen_.make_or_bug(mmu_update_call{.ureqs = {.entries = updates}, .count = static_cast<u32>(updates.size())},
                   "init_memory_mapping");
}

/// The L1 for the frames from 512 * chunk on.
pfn_t kernel_tables::direct_l1(u64 chunk) {
  const u64 first_pfn = chunk * entries_per_table;
  if (chunk >= builders_l1s_.size()) {
    const pfn_t table = new_table();
    fill_l1(table, first_pfn, 0);
    return table;
  }
  if (first_pfn + entries_per_table > info_.mapped_pages) {
    fill_l1(builders_l1s_[chunk], info_.mapped_pages, static_cast<unsigned>(info_.mapped_pages - first_pfn));
  }
  return builders_l1s_[chunk];
}

void kernel_tables::build_direct_map() {
  pfn_t l3{};
  pfn_t l2{};
  for (u64 chunk = 0; chunk * entries_per_table < info_.nr_pages; ++chunk) {
    const u64 va = PAGE_OFFSET + chunk * PMD_SIZE;
    if (va % PGDIR_SIZE == 0) hooks_.push_back({{pgd(), table_slot(va, 4)}, l3 = new_table()});
    if (va % PUD_SIZE == 0) link({l3, table_slot(va, 3)}, l2 = new_table());
    link({l2, table_slot(va, 2)}, direct_l1(chunk));
  }
}

void kernel_tables::build_fixmap(pfn_t shared_info) {
  const pfn_t l2 = new_table();
  const pfn_t l1 = new_table();
  link({l2, table_slot(FIX_PARAVIRT_BOOTMAP, 2)}, l1);
  k_.tables.native_set({l1, table_slot(FIX_PARAVIRT_BOOTMAP, 1)}, k_.pv->make_pte(shared_info, PAGE_KERNEL),
                       "xen_setup_kernel_pagetable");
  hooks_.push_back({{builders_l3_, table_slot(FIX_PARAVIRT_BOOTMAP, 3)}, l2});
}

void kernel_tables::go_live(multicalls& mc) {
  mc.batch();
  for (pfn_t table : new_tables_) {
    mc.update_va_mapping(info_.virt_base + (table.n << PAGE_SHIFT),
                         k_.pv->make_pte(table, page_kernel_ro(k_.profile())), UVMF_NONE, "xen_setup_kernel_pagetable");
    k_.pages[table].pinned = true;
  }
  for (const auto& [entry, table] : hooks_) {
    mc.extend_mmu_update({k_.tables.machine_address_of(entry).bytes, k_.pv->make_pte(table, KERNPG_TABLE)},
                         "xen_setup_kernel_pagetable");
  }
  mc.issue(lazy_mode::none);
  if (!k_.cpu.log().empty()) bug(k_.cpu, "xen_setup_kernel_pagetable");
  k_.tables.reach_frames_from(PAGE_OFFSET);
}

}  // namespace

void mmu_pv::pagetable_init() {
  k_.tables.reach_frames_from(k_.info.virt_base);
  xen_.make_or_bug(vm_assist_call{.cmd = VMASST_CMD_enable, .type = VMASST_TYPE_writable_pagetables},
                   "xen_pvmmu_arch_setup");
  kernel_tables tables(k_, xen_);
  tables.find_builders_tables();
  tables.give_memory_to_the_allocator();
  shared_info_ = k_.pages.alloc_pages();
  tables.build_direct_map();
  tables.build_fixmap(shared_info_);
  tables.go_live(mc_);

  k_.init_mm.pgd = tables.pgd();
  current_cr3_[0] = tables.pgd();
  for (vcpu_id_t cpu = 1; cpu < k_.config.vcpus; ++cpu) {
    k_.cpu.run_as(cpu);
    write_cr3(tables.pgd());
  }
  k_.cpu.run_as(0);
}

// Linux 6.1 mmu_pv.c check_pt_base; that the frame is one of the builder's is the caller's word.
void mmu_pv::check_pt_base(pfn_t table) {
  xen_.make_or_bug(update_va_mapping_call{.va = va_of(table),
                                          .val = make_pte(table, PAGE_KERNEL),
                                          .flags = k_.profile().check_pt_base_flushes ? UVMF_INVLPG : UVMF_NONE},
                   "set_page_prot_flags");
  k_.pages[table].maybe_nonzero.set();
  k_.tables.clear_page(table);
}

}  // namespace pvmmu::guest
