#pragma once
// What a version of Linux does differently from the others on its way to Xen, as data: one row a kernel. The mm and the
// Xen backend read these fields where the versions part, and know no version numbers.
//
//   const kernel_profile* p = find_kernel_profile("6.1");

#include <span>
#include <string_view>

#include "proto/abi/types.h"

namespace pvmmu::guest {

/// How mremap moves a table of the level below as a whole.
enum class table_move : u8 {
  never,         ///< entry by entry only
  set_entry,     ///< clear the old entry, set the new one with set_pmd
  native_store,  ///< clear the old entry, set the new one with a plain store (set_pud_at is not paravirtualised)
  populate,      ///< clear the old entry, then pmd_populate/pud_populate: alloc_ptpage again, then set
};

/// Where mremap flushes the TLB for what it moved.
enum class mremap_flush : u8 {
  at_end,             ///< once, when all is moved and every page-table lock is dropped
  dirty_under_lock,   ///< dirty entries: under the lock they were moved under; clean ones: once at the end
  always_under_lock,  ///< each piece under its own lock
};

/// When mprotect gives write access back without a write fault, to private pages that nobody else has.
enum class write_back : u8 {
  never,
  dirty,   ///< to dirty ones (64fe24a3e05e, 6.0)
  always,  ///< to clean ones too (7ea7e333842e, 6.2)
};

/// How the pages of an mm that several CPUs use are flushed.
enum class remote_flush : u8 {
  local_then_others,  ///< LOCAL here, then MULTI for the others
  one_multi,          ///< one MULTI for all, self included (4ce94eabac16, 5.13)
};

/// How the pgds that there are learn of a new slot of the kernel's half, which init_mm's got.
enum class new_kernel_pgds : u8 {
  by_fault,  ///< when it is first missed: vmalloc_fault
  synced,    ///< at once (5.8; there from the start on, in today's)
};

/// How fork finds the entries of one large folio, to copy them in one go.
enum class pte_batch : u8 {
  single,    ///< it does not look (until 6.8)
  compared,  ///< those that are as the first would be, moved on by as many pages (f8d937761d65, 6.9)
  folio,     ///< … and no more than the folio has (7b08b74f3d99, 6.15, and stable kernels)
};

/// When what vunmap takes away leaves the tables.
enum class vunmap_clearing : u8 {
  at_purge,  ///< once much has come together (2.6.28)
  at_once,   ///< the translations alone stay until then (2.6.38)
};

/// What becomes of a lazy MMU section within another.
enum class lazy_rule : u8 {
  bug,        ///< it may not be: BUG_ON (until 6.5, and 6.15 to 6.19)
  counted,    ///< per CPU (49147beb0ccb, 6.6); a context switch unwinds one level
  in_task,    ///< per task, by generic code with preemption on (291b3abed657, 7.0)
  tolerated,  ///< the same, and Xen's backend bears being told twice (4594437880ce, 7.1)
};

/// How an entry changes its protection while processors may set its accessed and dirty bits.
enum class prot_change : u8 {
  clear_and_set,  ///< it is taken out for the time: a trap, then an update (until 2.6.26)
  plain,          ///< no real kernel: it stays, and the update overwrites it as it was read
  preserve_ad,    ///< it stays, and Xen keeps the bits that were set since (e57778a1e304, 2.6.27)
};

/// Whom the end of an address space asks to let go of it.
enum class cr3_asked : u8 {
  logical_cr3,  ///< the CPUs that run it, in Linux's eyes (2.6.23)
  current_cr3,  ///< those whose loaded tables it is, though a change may be queued (9f79991d4186, 2.6.24)
};

struct kernel_profile {
  std::string_view name;
  std::string_view stands_for;  ///< versions and commits, for people

  table_move pmd_move = table_move::never;
  table_move pud_move = table_move::never;
  bool realigns_moves = false;       ///< 6.7 (af8ca1c14906): mutually aligned moves are widened to PMD boundaries
  bool moves_watched_tables = true;  ///< until 0cef0bb836e3 (6.13, and stable kernels of 2025): a userfaultfd's, too
  u64 move_ptes_chunk = 512;         ///< entries that one move_ptes handles at most (LATENCY_LIMIT: 64)
  mremap_flush move_flush = mremap_flush::always_under_lock;
  remote_flush tlb_flush = remote_flush::one_multi;

  bool alloc_ptpage_checks_pinned = true;  ///< 5.15 (36c9b5929b70): a page that is PagePinned is not pinned again
  write_back mprotect_write_back = write_back::dirty;
  bool mprotect_gathers = true;  ///< 5.19 (4a18419f71cd): flushes what changed at the end; before, each area as a whole
  bool userfaultfd_moves = false;  ///< 6.8 (adef440691ba): UFFDIO_MOVE
  bool saved_dirty = true;         ///< 6.6: an entry that is not writable keeps its dirty bit in a bit of its own
  bool kfence_inverts = true;      ///< 6.19 (b505f1944535), and stable kernels: KFENCE's absent entries point nowhere
  bool hugetlb_in_pv = false;      ///< until 4.5 (103f6112f253): hugetlbfs exists, though Xen refuses huge pages
  new_kernel_pgds vmalloc_pgds = new_kernel_pgds::synced;
  bool vmalloc_fault_flushes = true;  ///< 3.9 (1160c2779b82): a slot taken over by fault is there although lazy
  vunmap_clearing vunmap_clears = vunmap_clearing::at_once;
  bool unmaps_aliases_before_pin =
      false;  ///< 2.6.28 (d05fdf316067) to 2.6.37: vm_unmap_aliases before tables are pinned
  pte_batch pte_batch_end = pte_batch::single;
  bool guards_l1_pin = true;    ///< xen_pin_page pins an L1 only with split page-table locks
  bool guards_l1_unpin = true;  ///< xen_unpin_page and xen_release_ptpage unpin an L1 only with split locks

  lazy_rule lazy_nesting = lazy_rule::bug;
  bool set_ptes_enters_lazy = false;  ///< 6.6 (bcc6cc832573) until 6.14 (691ee97e1a9d), and some 6.12
  prot_change prot_commit = prot_change::preserve_ad;
  cr3_asked drop_mm_ref = cr3_asked::current_cr3;

  bool pin_locks_pte_pages = true;    ///< 2.6.24 (74260714c56d): L1s are pinned one by one, locked until that is done
  bool interrupts_are_lazy = false;   ///< until 2.6.29: an interrupt is in the lazy mode of what it interrupts
  bool check_pt_base_flushes = true;  ///< b22227944b8f (2013): a builder's table that becomes memory is flushed
  bool cpa_flushes_lazy = true;  ///< 2.6.29 (4f06b0436b2d): change_page_attr sends what is queued, before and after

  /// The generic code keeps track of lazy sections, and the backend hears of the outermost alone.
  bool counts_lazy_in_task() const { return lazy_nesting >= lazy_rule::in_task; }
};

/// All kernels, oldest first; the last, "mail", is no real one.
std::span<const kernel_profile> kernel_profiles();

/// The kernel of that name, nullptr if there is none.
const kernel_profile* find_kernel_profile(std::string_view name);

/// A kernel as it was configured and started.
struct kernel_config {
  const kernel_profile* profile = find_kernel_profile("6.1");
  u32 nr_cpus = 8192;                ///< CONFIG_NR_CPUS: 4 or more mean split page-table locks
  bool page_table_isolation = true;  ///< CONFIG_PAGE_TABLE_ISOLATION: a pgd is allocated as two frames
  bool soft_dirty = true;            ///< CONFIG_MEM_SOFT_DIRTY: a bit of software's tells what was written or moved
  u32 vcpus = 1;                     ///< online

  /// USE_SPLIT_PTE_PTLOCKS (linux 6.1 mm_types.h; SPLIT_PTLOCK_CPUS defaults to 4).
  bool split_ptlocks() const { return nr_cpus >= 4; }
};

}  // namespace pvmmu::guest
