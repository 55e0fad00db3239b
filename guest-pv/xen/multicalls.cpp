#include "guest-pv/xen/multicalls.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pvmmu::guest {
namespace {

constexpr unsigned update_bytes = 16;  ///< sizeof(struct mmu_update)
constexpr unsigned op_bytes = 24;      ///< sizeof(struct mmuext_op)

/// Where CPU n's buffer of arguments would lie: reports of failed calls print an address within it.
constexpr u64 args_va(vcpu_id_t cpu) { return va_of(pfn_t{1}) + u64{cpu} * MC_ARGS; }

}  // namespace

mc_buffer::entry& mc_buffer::open(u32 op, unsigned bytes, std::string_view caller) {
  const unsigned args = rounded_args();
  argidx_ = args + bytes;
  entries_.push_back({.op = op, .args = args, .caller = caller});
  return entries_.back();
}

void mc_buffer::add_update(const mmu_update_t& update, bool extend, std::string_view caller) {
  if (extend) {
    argidx_ += update_bytes;
  } else {
    open(HYPERVISOR_mmu_update, update_bytes, caller).first = static_cast<unsigned>(updates_.size());
  }
  ++entries_.back().count;
  updates_.push_back(update);
}

void mc_buffer::add_op(const mmuext_op_t& op, unsigned bytes, bool extend, std::string_view caller) {
  if (extend) {
    argidx_ += bytes;
  } else {
    open(HYPERVISOR_mmuext_op, bytes, caller).first = static_cast<unsigned>(ops_.size());
  }
  ++entries_.back().count;
  ops_.push_back(op);
}

void mc_buffer::add_va_mapping(const update_va_mapping_call& call, std::string_view caller) {
  open(HYPERVISOR_update_va_mapping, 0, caller).va_mapping = call;
}

hypercall mc_buffer::call_of(const entry& e) const {
  if (e.op == HYPERVISOR_mmu_update) {
    return mmu_update_call{.ureqs = {.entries = std::span(updates_).subspan(e.first, e.count)}, .count = e.count};
  }
  if (e.op == HYPERVISOR_mmuext_op) {
    return mmuext_op_call{.uops = {.entries = std::span(ops_).subspan(e.first, e.count)}, .count = e.count};
  }
  return e.va_mapping;
}

// The callbacks run after the buffer is empty, so that what they queue is a new batch.
void mc_buffer::flush(xen_hypercall& xen) {
  std::vector<multicall_entry> done;
  done.reserve(entries_.size());
  for (const entry& e : entries_) done.push_back({.call = call_of(e)});
  if (done.size() == 1) {
    done[0].result = xen.make(done[0].call, entries_[0].caller);
  } else if (done.size() > 1) {
    hypercall batch = multicall_call{.call_list = done, .nr_calls = static_cast<u32>(done.size())};
    if (xen.make(batch, entries_[0].caller) != 0) bug(xen.cpu(), "xen_mc_flush");
  }
  report(xen.cpu(), done);

  entries_.clear();
  updates_.clear();
  ops_.clear();
  argidx_ = 0;
  for (const auto& fn : std::exchange(callbacks_, {})) fn();
}

u64 mc_buffer::first_argument(const entry& e, vcpu_id_t cpu) const {
  return e.op == HYPERVISOR_update_va_mapping ? e.va_mapping.va : args_va(cpu) + e.args;
}

void mc_buffer::report(processor& cpu, const std::vector<multicall_entry>& done) const {
  const auto failed = std::ranges::count_if(done, [](const multicall_entry& e) { return e.result < 0; });
  if (failed == 0) return;
  const vcpu_id_t id = cpu.smp_processor_id();
  cpu.printk(fmt::format("WARNING: CPU: {} at arch/x86/xen/multicalls.c xen_mc_flush", id));
  cpu.printk(fmt::format("{} of {} multicall(s) failed: cpu {}", failed, done.size(), id));
  for (std::size_t i = 0; i < done.size(); ++i) {
    if (done[i].result >= 0) continue;
    const bool gone = done[i].overwritten;
    cpu.printk(fmt::format("  call {:2}: op={} arg=[{:x}] result={}", i + 1, gone ? overwritten_op : entries_[i].op,
                           gone ? overwritten_op : first_argument(entries_[i], id), done[i].result));
  }
}

trace::xen_mc_entry mc_buffer::last(vcpu_id_t cpu) const {
  const entry& e = entries_.back();
  if (e.op == HYPERVISOR_update_va_mapping) return {e.op, {e.va_mapping.va, e.va_mapping.val, e.va_mapping.flags}};
  return {e.op, {first_argument(e, cpu), 1, 0, DOMID_SELF}};
}

// xen_mc_extend_args
bool multicalls::extend_args(u32 op, unsigned bytes) {
  const trace::extend_result result = buffer().can_extend(op, bytes);
  xen_.cpu().trace(trace::xen_mc_extend_args{op, bytes, result});
  return result == trace::extend_result::ok;
}

// What __xen_mc_entry does first.
void multicalls::make_room(unsigned bytes) {
  xen_.cpu().trace(trace::xen_mc_entry_alloc{bytes});
  if (!buffer().full(bytes)) return;
  const bool entries = buffer().size().mcidx == MC_BATCH;
  xen_.cpu().trace(trace::xen_mc_flush_reason{entries ? trace::flush_reason::batch : trace::flush_reason::args});
  flush();
}

void multicalls::extend_mmu_update(const mmu_update_t& update, std::string_view caller) {
  const bool extend = extend_args(HYPERVISOR_mmu_update, update_bytes);
  if (!extend) make_room(update_bytes);
  buffer().add_update(update, extend, caller);
  if (!extend) made_entry();
}

void multicalls::extend_mmuext_op(const mmuext_op_t& op, std::string_view caller) {
  const bool extend = extend_args(HYPERVISOR_mmuext_op, op_bytes);
  if (!extend) make_room(op_bytes);
  buffer().add_op(op, op_bytes, extend, caller);
  if (!extend) made_entry();
}

void multicalls::new_mmuext_op(const mmuext_op_t& op, std::string_view caller, unsigned mask_bytes) {
  make_room(op_bytes + mask_bytes);
  buffer().add_op(op, op_bytes + mask_bytes, false, caller);
  made_entry();
}

void multicalls::update_va_mapping(u64 va, u64 val, u64 flags, std::string_view caller) {
  make_room(0);
  buffer().add_va_mapping({.va = va, .val = val, .flags = flags}, caller);
  made_entry();
}

void multicalls::callback(const trace::xen_mc_callback& what, std::function<void()> fn) {
  if (buffer().size().cbidx == MC_BATCH) {
    xen_.cpu().trace(trace::xen_mc_flush_reason{trace::flush_reason::callback});
    flush();
  }
  xen_.cpu().trace(what);
  buffer().add_callback(std::move(fn));
}

void multicalls::issue(lazy_mode mode) {
  xen_.cpu().trace(trace::xen_mc_issue{mode});
  if ((static_cast<unsigned>(get_lazy_mode()) & static_cast<unsigned>(mode)) == 0) return flush();
  xen_.cpu().reached(moment::queued);
}

void multicalls::flush() {
  xen_.cpu().trace(buffer().size());
  const bool calls = !buffer().empty();
  buffer().flush(xen_);
  if (calls) xen_.cpu().reached(moment::called);
}

lazy_mode multicalls::get_lazy_mode() const {
  return xen_.cpu().in_interrupt() && !interrupts_are_lazy_ ? lazy_mode::none
                                                            : lazy_[xen_.cpu().smp_processor_id()].mode;
}

}  // namespace pvmmu::guest
