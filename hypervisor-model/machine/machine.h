#pragma once
// The machine below the hypervisor: memory and the frame table, one reserved mapping each, which cost nothing until
// touched; its domains; and the one place through which every change of state goes, so that each is an event.
//
// One machine is one state, changed by one call at a time. `current` is the vCPU on whose behalf Xen runs.

#include <fmt/format.h>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hypervisor-model/machine/heap.h"
#include "hypervisor-model/machine/page_info.h"
#include "hypervisor-model/machine/reserved_memory.h"
#include "proto/abi/domain_config.h"
#include "proto/abi/event.h"
#include "proto/abi/pte.h"

namespace pvmmu::xen {

struct domain;
struct vcpu;
struct machine_image;

/// The flags of Xen's own mappings (xen 4.17 asm/x86_64/page.h __PAGE_HYPERVISOR_RW).
inline constexpr u64 PAGE_HYPERVISOR_RW = PAGE_PRESENT | PAGE_RW | PAGE_ACCESSED | PAGE_DIRTY | PAGE_NX;

/// Frames first … last, both included.
struct mfn_range {
  mfn_t first;
  mfn_t last;
  bool contains(mfn_t mfn) const { return first <= mfn && mfn <= last; }
  friend bool operator==(const mfn_range&, const mfn_range&) = default;
};

/// Xen's own performance counters, by its own names, and the work behind them (entries, flushes).
struct counters {
  u64 calls_to_mmu_update = 0;
  u64 num_page_updates = 0;
  u64 calls_to_mmuext_op = 0;
  u64 num_mmuext_ops = 0;
  u64 calls_to_update_va = 0;
  u64 calls_from_multicall = 0;
  u64 ptwr_emulations = 0;
  u64 writable_mmu_updates = 0;
  u64 need_flush_tlb_flush = 0;
  u64 continuations = 0;
  u64 entries_validated = 0;
  u64 entries_devalidated = 0;
  u64 flushes = 0;
  friend bool operator==(const counters&, const counters&) = default;
};

/// Xen's hypercall_preempt_check(): whether something else wants the processor now.
class preemption {
 public:
  virtual ~preemption() = default;
  virtual bool check() = 0;
};

/// Where a debug message stands in Xen's source: its file and line (Debian's 4.17.7).
struct message_site {
  std::string_view file;
  unsigned line;
};

/// Hears why Xen refuses something, at the place in its source where it does. It says so itself in debug builds, or not
/// at all; whoever listens changes neither what is printed nor what is done.
class reason_listener {
 public:
  virtual ~reason_listener() = default;
  virtual void on_reason(message_site site, const std::string& words) = 0;
};

class machine {
 public:
  /// Throws std::invalid_argument for a size outside 1024 … 2^28 frames, std::system_error without address space.
  explicit machine(const machine_config& config);
  ~machine();
  machine(const machine&) = delete;
  machine& operator=(const machine&) = delete;

  const machine_config& config() const { return config_; }

  // ---- frames
  bool mfn_valid(mfn_t mfn) const { return mfn.n < config_.frames && frames_[mfn.n].owner != owner_hole; }
  /// The record of a frame. Like Xen's mfn_to_page it does not check: `mfn` must be below `config().frames`.
  page_info& page(mfn_t mfn) { return frames_[mfn.n]; }
  const page_info& page(mfn_t mfn) const { return frames_[mfn.n]; }
  mfn_t mfn_of(const page_info& pg) const { return {static_cast<u64>(&pg - frames_)}; }
  /// A frame's contents as 512 words.
  u64* words(mfn_t mfn) { return memory_ + mfn.n * entries_per_table; }
  const u64* words(mfn_t mfn) const { return memory_ + mfn.n * entries_per_table; }

  /// Takes 2^order frames for nobody yet: count 0, no type. Below `limit`, as far as the heap chooses. Nothing if
  /// memory is out.
  std::optional<mfn_t> alloc_heap_pages(unsigned order, u64 limit = ~u64{0});
  /// Makes `d` the owner of a frame that alloc_heap_pages gave: count 1, allocated.
  void give_page(domain& d, page_info& pg);
  /// Takes a frame that nothing refers to from its owner: as alloc_heap_pages gives one.
  void steal_page(page_info& pg);
  /// Gives a free frame to `d`. Frames that were never used before come in ascending order, zeroed.
  std::optional<mfn_t> alloc_domheap_page(domain& d);
  /// Takes a free frame for Xen itself: nobody's, zeroed. Nothing if memory is out.
  std::optional<mfn_t> alloc_xenheap_page();
  /// Which frames to hand out next (heap.h).
  void offer_frames(std::span<const mfn_t> firsts) { heap_.offer(firsts); }
  /// Nobody uses it any more: back to the heap.
  void free_xenheap_page(mfn_t mfn);
  /// Makes `d` the owner of a frame that nobody owns, whatever its counts: how a snapshot is loaded.
  void adopt_page(domain& d, mfn_t mfn);
  /// The last reference is gone: back to the heap. What lies in it stays, unless its owner is dying or gone. A frame of
  /// Xen's own that was shared with its owner only leaves the owner's list.
  void free_domheap_page(page_info& pg);

  /// Whether MMIO there may only be read, whatever the guest asks (Xen's mmio_ro_ranges).
  bool mmio_read_only(mfn_t mfn) const;

  // ---- every change of state
  void set_count_info(page_info& pg, u64 value) {
    notify(event_kind::count_info, 0, mfn_of(pg), pg.count_info, value);
    pg.count_info = value;
  }
  void set_type_info(page_info& pg, u64 value) {
    notify(event_kind::type_info, 0, mfn_of(pg), pg.type_info, value);
    pg.type_info = value;
  }
  void set_linear_pt_count(page_info& pg, s16 value) {
    notify(event_kind::linear_count, 0, mfn_of(pg), static_cast<u16>(pg.linear_pt_count()), static_cast<u16>(value));
    pg.set_linear_pt_count(value);
  }
  void write_pte(mfn_t table, unsigned slot, pte_t value) {
    u64& entry = words(table)[slot];
    notify(event_kind::pte, slot, table, entry, value);
    entry = value;
  }
  void set_gpfn_from_mfn(mfn_t mfn, u64 pfn);
  u64 gpfn_from_mfn(mfn_t mfn) const;

  // ---- events and messages
  void listen(event_sink* sink) {
    listeners_.first = sink;
    choose_sink();
  }
  /// A second listener, whoever the first one is or will be.
  void overhear(event_sink* sink) {
    listeners_.second = sink;
    choose_sink();
  }
  bool listening() const { return sink_ != nullptr; }
  void tell_reasons_to(reason_listener* listener) { reasons_ = listener; }
  /// Fields one by one, so that nothing is put together where nobody listens.
  void notify(event_kind kind, u32 slot, mfn_t mfn, u64 old, u64 value) {
    if (sink_) [[unlikely]]
      sink_->on_event({kind, slot, mfn, old, value, {}});
  }
  /// printk of every build.
  template <class... Args>
  void printk(fmt::format_string<Args...> format, Args&&... args) {
    if (sink_) [[unlikely]]
      print(fmt::format(format, std::forward<Args>(args)...));
  }
  /// gprintk: every build, with the current vCPU in front.
  template <class... Args>
  void gprintk(fmt::format_string<Args...> format, Args&&... args) {
    if (sink_) [[unlikely]]
      print(current_name() + " " + fmt::format(format, std::forward<Args>(args)...));
  }
  /// gdprintk: debug builds only, with file, line and vCPU in front.
  template <class... Args>
  void gdprintk(message_site site, fmt::format_string<Args...> format, Args&&... args) {
    if ((!sink_ || !config_.debug_build) && !reasons_) [[likely]]
      return;
    const std::string words = fmt::format(format, std::forward<Args>(args)...);
    if (sink_ && config_.debug_build) print(fmt::format("{}:{}:{} {}", site.file, site.line, current_name(), words));
    if (reasons_) reasons_->on_reason(site, words);
  }
  /// What no build of Xen prints.
  template <class... Args>
  void unsaid(message_site site, fmt::format_string<Args...> format, Args&&... args) {
    if (reasons_) [[unlikely]]
      reasons_->on_reason(site, fmt::format(format, std::forward<Args>(args)...));
  }

  // ---- domains
  domain* find_domain(domid_t domid);
  const std::vector<std::unique_ptr<domain>>& domains() const { return domains_; }
  /// The owner of a frame, nullptr for nobody.
  domain* page_owner(const page_info& pg);
  domain& dom_xen() { return *dom_xen_; }
  domain& dom_io() { return *dom_io_; }
  /// Takes the lowest free domid: 0 for the first domain.
  domain& add_domain(domain_kind kind);
  void remove_domain(domid_t domid);

  // ---- flushes: accounted, with Xen's flush clock (xen 4.17 flushtlb.c)
  /// Flushes everything in the TLBs of `vcpus`; none is no flush.
  void flush_tlb(domain& d, u64 vcpus, flush_reason reason);
  /// Flushes the translation of one page; none is no flush.
  void flush_tlb_one(domain& d, u64 vcpus, u64 va);
  void set_tlbflush_timestamp(page_info& pg) { pg.aux = tlbflush_clock_; }
  /// The vCPUs of `d` that may still hold a translation of `pg` from before it was stamped: xen 4.17 flushtlb.h:77.
  u64 tlbflush_filter(const domain& d, const page_info& pg) const;

  bool hypercall_preempt_check() { return preemption_ && preemption_->check(); }
  /// Lets `p` answer the preemption checks from now on; nullptr: never preempted. Returns who did so before.
  preemption* preempt_by(preemption* p) { return std::exchange(preemption_, p); }

  vcpu* current = nullptr;
  counters perfc;

  /// By default what Debian's Xen 4.17.7 protects under QEMU: the I/O APIC and the HPET.
  std::vector<mfn_range> mmio_ro_ranges{{{0xfec00}, {0xfec00}}, {{0xfed00}, {0xfed00}}};

  /// What Xen puts into slots 256-271 of every L4, but for 258 (the L4 itself) and 260 (the domain's own).
  std::array<pte_t, last_xen_slot - first_xen_slot + 1> xen_l4_slots{};

  /// Where the machine-to-phys table lies: a frame for each 2 MiB of it. Empty unless the machine repeats a real one.
  std::vector<mfn_t> machphys_mfns;

  /// General references that Xen itself loses track of, so that their frames are never freed (xen 4.17 mm.c:1813).
  std::vector<mfn_t> lost_references;

 private:
  // All of a machine's state (machine_image.h).
  friend machine_image save(const machine& m, const machine_image* like);
  friend std::unique_ptr<machine> restore(const machine_image& image);

  struct listener_pair : event_sink {
    void on_event(const event& e) override {
      first->on_event(e);
      second->on_event(e);
    }
    event_sink* first = nullptr;
    event_sink* second = nullptr;
  };

  void choose_sink();
  void give_back(page_info& pg, bool scrub);
  bool somebody_maps_grants_of(const domain& granter) const;
  void print(const std::string& line);
  std::string current_name() const;
  void link(domain& d, page_info& pg);
  void unlink(domain& d, page_info& pg);

  machine_config config_;
  reserved_memory frame_table_memory_;
  reserved_memory ram_;
  reserved_memory m2p_memory_;
  page_info* frames_;
  u64* memory_;
  u64* m2p_;
  heap heap_;
  u32 tlbflush_clock_ = 1;
  event_sink* sink_ = nullptr;  ///< one of the listeners, or both
  listener_pair listeners_;
  reason_listener* reasons_ = nullptr;
  preemption* preemption_ = nullptr;
  std::vector<std::unique_ptr<domain>> domains_;
  std::unique_ptr<domain> dom_xen_;
  std::unique_ptr<domain> dom_io_;
};

}  // namespace pvmmu::xen
