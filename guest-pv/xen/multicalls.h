#pragma once
// Hypercall batching, as in linux 6.1 arch/x86/xen/multicalls.c: each CPU collects calls in a buffer of 32 entries and
// 512 bytes of arguments, and flushes it when it is full, when a batch is issued outside of lazy mode, or when lazy
// mode is left.
//
//   mc.batch();
//   mc.extend_mmu_update({ptr, val}, "xen_set_pmd");     // joins the last entry if that is an mmu_update too
//   mc.issue(lazy_mode::mmu);                            // flushes, unless this CPU is in lazy MMU mode
//
// A lone entry is made as a direct hypercall. Results are only looked at to warn.

#include <array>
#include <functional>
#include <vector>

#include "guest-pv/xen/hypercall.h"

namespace pvmmu::guest {

/// A CPU's lazy mode.
struct lazy_state {
  lazy_mode mode = lazy_mode::none;
  unsigned nesting = 0;  ///< sections of the same mode within the outermost (xen_lazy_nesting, 6.6)
};

inline constexpr unsigned MC_BATCH = 32;            ///< entries, and callbacks
inline constexpr unsigned MC_ARGS = MC_BATCH * 16;  ///< bytes

/// One CPU's buffer.
class mc_buffer {
 public:
  mc_buffer() {
    updates_.reserve(MC_ARGS / sizeof(mmu_update_t));
    ops_.reserve(MC_BATCH);
    entries_.reserve(MC_BATCH);
  }

  bool full(unsigned bytes) const { return entries_.size() == MC_BATCH || rounded_args() + bytes >= MC_ARGS; }
  trace::extend_result can_extend(u32 op, unsigned bytes) const {
    if (entries_.empty() || entries_.back().op != op) return trace::extend_result::bad_op;
    return argidx_ + bytes < MC_ARGS ? trace::extend_result::ok : trace::extend_result::no_space;
  }
  void add_update(const mmu_update_t& update, bool extend, std::string_view caller);
  void add_op(const mmuext_op_t& op, unsigned bytes, bool extend, std::string_view caller);
  void add_va_mapping(const update_va_mapping_call& call, std::string_view caller);
  void add_callback(std::function<void()> fn) { callbacks_.push_back(std::move(fn)); }
  bool empty() const { return entries_.empty(); }

  void flush(xen_hypercall& xen);

  trace::xen_mc_flush size() const { return {entries_.size(), argidx_, callbacks_.size()}; }
  /// The last entry, as it was when it was made.
  trace::xen_mc_entry last(vcpu_id_t cpu) const;

 private:
  struct entry {
    u32 op = 0;
    unsigned args = 0;   ///< where its arguments start, in bytes
    unsigned first = 0;  ///< … and in `updates_` or `ops_`
    unsigned count = 0;
    update_va_mapping_call va_mapping{};
    std::string_view caller{};
  };

  unsigned rounded_args() const { return (argidx_ + 7) / 8 * 8; }
  entry& open(u32 op, unsigned bytes, std::string_view caller);
  hypercall call_of(const entry& e) const;
  u64 first_argument(const entry& e, vcpu_id_t cpu) const;
  void report(processor& cpu, const std::vector<multicall_entry>& done) const;

  std::vector<entry> entries_;
  std::vector<mmu_update_t> updates_;
  std::vector<mmuext_op_t> ops_;
  unsigned argidx_ = 0;  ///< bytes
  std::vector<std::function<void()>> callbacks_;
};

/// The calls that Linux's code makes on the current CPU's buffer.
class multicalls {
 public:
  multicalls(xen_hypercall& xen, u32 vcpus, bool interrupts_are_lazy = false)
      : xen_(xen), interrupts_are_lazy_(interrupts_are_lazy), buffers_(vcpus), lazy_(vcpus) {}

  /// xen_extend_mmu_update
  void extend_mmu_update(const mmu_update_t& update, std::string_view caller);
  /// xen_extend_mmuext_op
  void extend_mmuext_op(const mmuext_op_t& op, std::string_view caller);
  /// __xen_mc_entry with an mmuext_op: an entry of its own. `mask_bytes`: of the vCPU mask that lies behind it.
  void new_mmuext_op(const mmuext_op_t& op, std::string_view caller, unsigned mask_bytes = 0);
  /// __xen_mc_entry with MULTI_update_va_mapping
  void update_va_mapping(u64 va, u64 val, u64 flags, std::string_view caller);
  /// xen_mc_callback: runs `fn` when the batch has been flushed. `what` is told to who listens.
  void callback(const trace::xen_mc_callback& what, std::function<void()> fn);

  /// xen_mc_batch: what follows is issued together.
  void batch() { xen_.cpu().trace(trace::xen_mc_batch{get_lazy_mode()}); }
  /// xen_mc_issue: flushes unless the CPU is in lazy mode `mode`; `none` always flushes.
  void issue(lazy_mode mode);
  /// xen_mc_flush
  void flush();

  /// paravirt_get_lazy_mode: none in interrupts, whatever they interrupted, but for very old kernels.
  lazy_mode get_lazy_mode() const;
  /// The CPU's own, whatever runs on it.
  lazy_state& lazy() { return lazy_[xen_.cpu().smp_processor_id()]; }

 private:
  mc_buffer& buffer() { return buffers_[xen_.cpu().smp_processor_id()]; }
  bool extend_args(u32 op, unsigned bytes);
  void make_room(unsigned bytes);
  void made_entry() {
    if (xen_.cpu().traced()) xen_.cpu().trace(buffer().last(xen_.cpu().smp_processor_id()));
  }

  xen_hypercall& xen_;
  const bool interrupts_are_lazy_;
  std::vector<mc_buffer> buffers_;
  std::vector<lazy_state> lazy_;
};

}  // namespace pvmmu::guest
