#pragma once
// A Linux kernel's memory management in a PV domain: it asks Xen, call for call, what that kernel asks.
//
//   kernel k(xen, info, {.profile = find_kernel_profile("6.1")});
//   k.boot();
//   mm& p = k.exec_mm(0);                              // a process on vCPU 0, its tables pinned and loaded
//   k.mmap(0, p, 0x200000000000, 0x200000, prot::read_write);
//   k.write(0, p, 0x200000000000, 42);                 // page fault, tables, then the store
//   k.mremap(0, p, 0x200000000000, 0x200000, 0x200000, 0x300000000000);
//   k.exit_mmap(0, p);
//
// Every operation names the vCPU that it runs on. What a system call answers with an errno is an `mm_error`. A domain
// that crashes, a fault in the kernel and a BUG() are a `guest_stopped` exception (guest_stopped.h).

#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "guest-pv/hypercalls.h"
#include "guest-pv/kernel_profile.h"
#include "guest-pv/mapping.h"
#include "guest-pv/moment.h"
#include "proto/abi/frame.h"

namespace pvmmu::guest {

class hand_made_calls;
class trace_listener;
struct exec_image;    // a program's areas: exec_image.h
struct mm;            // an address space: mm.h
struct kernel_state;  // what the mm works on: kernel_state.h

/// A system call's or a signal's "no".
struct mm_error {
  int error = 0;     ///< Linux's errno, positive; 11 (SIGSEGV) for a fault that the process dies of;
                     ///< or faults_for_ever
  std::string text;  ///< what was expected and what was found
};

/// A page table of a process, as somebody saw it: its level, and the first address that it translates.
struct seen_table {
  u64 va = 0;
  unsigned level = 0;
};

/// A page of a process: its address, its entry's bits but for the frame number, and any number for its frame, the same
/// for the same frame.
struct seen_page {
  u64 va = 0;
  u64 flags = 0;
  u64 frame = 0;
};

/// The `error` of an access that never ends: whatever the kernel does about its fault, it comes back.
inline constexpr int faults_for_ever = 0;

template <class T>
using mm_result = std::expected<T, mm_error>;

class kernel {
 public:
  /// `info` tells what Xen built; `config.vcpus` must not exceed `info.vcpus`. Throws std::invalid_argument otherwise.
  kernel(hypercalls& xen, const start_info& info, kernel_config config);
  ~kernel();
  kernel(const kernel&) = delete;
  kernel& operator=(const kernel&) = delete;

  /// Builds the kernel's address space on top of the builder's: the direct map of all memory, read-only where tables
  /// lie, and init_mm on every vCPU. To be called once, first.
  void boot();

  const kernel_config& config() const;

  /// Goes on as `cpu`, whose operation was under way and stopped at a call: for whoever lets operations of several
  /// vCPUs take turns.
  void run_on(vcpu_id_t cpu) { on(cpu); }

  // ---- what comes in between: from within a moment, and back in it when that is over

  /// Who is told of the moments of the operations to come (moment.h).
  void listen(moment_listener listener);
  /// Operations of other vCPUs.
  void aside(const std::function<void()>& other);
  /// What an interrupt does on the vCPU that runs.
  void interrupt(const std::function<void()>& handler);
  /// The process that runs is preempted by one of `by`, nullptr: a kernel thread, which does `other`; then it goes on.
  void preempt(mm* by, const std::function<void()>& other);

  // ---- address spaces

  /// A new address space without user mappings, neither pinned nor loaded (mm_alloc). May be filled before it is
  /// activated, as exec does with the new stack.
  mm& mm_alloc();
  /// The address space of a process that began elsewhere, with these tables and pages, neither pinned nor loaded.
  mm& adopt_mm(std::span<const seen_table> tables, std::span<const seen_page> pages);
  /// exec_mmap: pins the tables of `mm` and loads it on `cpu`.
  void activate_mm(vcpu_id_t cpu, mm& mm);
  /// mm_alloc and activate_mm.
  mm& exec_mm(vcpu_id_t cpu);
  /// execve of a program, from its argument strings to the tables above its stack. `replaced` ends on the way; nullptr
  /// for a first process. -EINVAL, -ENOENT.
  mm_result<mm*> execve(vcpu_id_t cpu, const exec_image& image, mm* replaced = nullptr);
  /// fork: a copy of `parent` that shares its private pages until one of the two writes. It is pinned, but loaded
  /// nowhere: the child has yet to be switched to.
  mm& fork(vcpu_id_t cpu, mm& parent);
  /// A context switch of `cpu` to a process of `mm`; nullptr: to a kernel thread, which leaves loaded what is loaded.
  void switch_mm(vcpu_id_t cpu, mm* mm);
  /// The last user is gone: references dropped, tables unpinned, everything unmapped and freed. `mm` is gone then.
  void exit_mmap(vcpu_id_t cpu, mm& mm);

  // ---- memory of a process. Addresses and lengths are in bytes, and multiples of 4 KiB where mappings are meant

  /// A file of tmpfs of whole pages, all in the page cache; page i begins with the word i + 1. -EINVAL, -EEXIST.
  /// Its folios have 2^folio_order pages, which lie side by side.
  mm_result<void> create_file(vcpu_id_t cpu, const std::string& name, u64 len, unsigned folio_order = 0);

  /// Memory at a fixed address; what was there is unmapped first. -EINVAL, -ENOENT, -ENOMEM.
  mm_result<void> mmap(vcpu_id_t cpu, mm& mm, u64 va, u64 len, const mapping& what);
  mm_result<void> munmap(vcpu_id_t cpu, mm& mm, u64 va, u64 len);
  /// Moves the end of the heap, which begins at `start` if the process has none yet. -EINVAL, -ENOMEM.
  mm_result<void> brk(vcpu_id_t cpu, mm& mm, u64 start, u64 end);
  /// MREMAP_MAYMOVE|MREMAP_FIXED to `new_va`; what is there is unmapped first. Without it: in place, without flags.
  /// -EINVAL, -EFAULT, -ENOMEM.
  mm_result<void> mremap(vcpu_id_t cpu, mm& mm, u64 old_va, u64 old_len, u64 new_len, std::optional<u64> new_va);
  /// What lies before a hole is protected, and the answer is -ENOMEM.
  mm_result<void> mprotect(vcpu_id_t cpu, mm& mm, u64 va, u64 len, prot p);
  /// MADV_DONTNEED. -EINVAL where memory is locked; -ENOMEM where nothing is mapped, with all else done.
  mm_result<void> madvise_dontneed(vcpu_id_t cpu, mm& mm, u64 va, u64 len);
  /// mlock: the areas stay in memory, and all their pages are faulted in. -ENOMEM where nothing is mapped.
  mm_result<void> mlock(vcpu_id_t cpu, mm& mm, u64 va, u64 len);
  mm_result<void> munlock(vcpu_id_t cpu, mm& mm, u64 va, u64 len);

  /// UFFDIO_REGISTER, of one userfaultfd a process, for what is missing. -EINVAL unless all is anonymous or shared.
  mm_result<void> uffdio_register(vcpu_id_t cpu, mm& mm, u64 va, u64 len);
  /// UFFDIO_COPY: pages copied from `src`, which is readable, to where none are yet. -ENOENT unless [dst, dst + len)
  /// lies in one registered area; -EEXIST where a page is, with those before it done.
  mm_result<void> uffdio_copy(vcpu_id_t cpu, mm& mm, u64 dst, u64 src, u64 len);
  /// UFFDIO_MOVE: the pages themselves, from one area of private memory to a registered one. -EINVAL, also where the
  /// kernel does not know it yet; -ENOENT at a hole, -EEXIST where a page is, with those before done.
  mm_result<void> uffdio_move(vcpu_id_t cpu, mm& mm, u64 dst, u64 src, u64 len);

  /// One access of 8 aligned bytes, as the process makes it where `mm` is loaded on `cpu`, otherwise as the kernel
  /// makes it for the process (get_user_pages). Page faults are handled on the way.
  mm_result<u64> read(vcpu_id_t cpu, mm& mm, u64 va);
  mm_result<void> write(vcpu_id_t cpu, mm& mm, u64 va, u64 value);

  /// What reclaim asks of a page of `mm`, from any vCPU: whether it was used since the last time. Returns how many
  /// address spaces say so, which forget it. -ENOENT; -EBUSY where it would have to wait for a table's lock, with
  /// nothing done.
  mm_result<u64> page_referenced(vcpu_id_t cpu, mm& mm, u64 va);

  // ---- the kernel's own memory

  /// KFENCE takes a page of the direct map away, so that whoever touches it faults, or gives it back.
  void kfence_protect(vcpu_id_t cpu, pfn_t page);
  void kfence_unprotect(vcpu_id_t cpu, pfn_t page);
  /// Maps frames once more, side by side and writable, in the vmalloc area. Returns the address of the first.
  u64 vmap(vcpu_id_t cpu, std::span<const pfn_t> pages);
  /// … and unmaps them, lazily. -EINVAL where vmap has mapped nothing.
  mm_result<void> vunmap(vcpu_id_t cpu, u64 va);
  /// The balloon gives the frame behind `page`, which is allocated, back to Xen.
  void balloon_out(vcpu_id_t cpu, pfn_t page);
  /// A load by the kernel itself, in a lazy MMU section or not, with its own handler for the fault.
  u64 kernel_read(vcpu_id_t cpu, u64 va, bool in_lazy_mmu);

  /// Pages of a kernel with DEBUG_PAGEALLOC: of one that is free the direct map has no entry; taken, it is mapped again
  /// and written to.
  void debug_free_page(vcpu_id_t cpu, pfn_t page);
  void debug_alloc_page(vcpu_id_t cpu, pfn_t page);

  /// What a kernel does at its start with a table of the domain builder's that is not used any more: makes it writable
  /// and clears it. There is no handler of page faults yet.
  void check_pt_base(vcpu_id_t cpu, pfn_t table);

  // ---- suspend and resume of the whole domain, run by `cpu` with all others stopped

  void suspend(vcpu_id_t cpu);
  void resume(vcpu_id_t cpu);

  // ---- what can be seen

  /// The table of `level` 1 to 4 that translates `va`, from the kernel's pgd down; nothing where there is none.
  std::optional<mfn_t> table_of(const mm& mm, u64 va, unsigned level) const;
  std::optional<mfn_t> user_pgd_of(const mm& mm) const;
  /// The frame of memory mapped at `va`.
  std::optional<mfn_t> frame_of(const mm& mm, u64 va) const;
  /// A zeroed frame of the kernel's heap, mapped writable in the direct map; for raw hypercalls.
  pfn_t alloc_page();
  /// Back to the heap, which hands it out next.
  void free_page(pfn_t page);
  mfn_t pfn_to_mfn(pfn_t pfn) const;
  /// Nothing for frames of others.
  std::optional<pfn_t> mfn_to_pfn(mfn_t mfn) const;
  /// The frame's address in the kernel's direct map.
  static u64 direct_map_va(pfn_t pfn);

  /// For hypercalls and accesses of one's own beside the kernel's: made otherwise, the kernel would not know that its
  /// memory may have changed.
  hypercalls& by_hand();

  /// Who is told when the kernel passes a trace point (trace.h); nullptr: nobody. It must outlive the kernel.
  void trace_to(trace_listener* listener);

  /// The kernel's log, oldest line first.
  std::span<const std::string> messages() const;

 private:
  kernel_state& on(vcpu_id_t cpu) const;

  std::unique_ptr<kernel_state> state_;
  std::unique_ptr<hand_made_calls> by_hand_;
};

}  // namespace pvmmu::guest
