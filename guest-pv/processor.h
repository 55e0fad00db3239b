#pragma once
// A virtual CPU as the kernel's code sees it: who am I, am I in an interrupt, load, store, call the hypervisor. There
// is one thread of control; `on` moves it to another vCPU for the time of an inter-processor interrupt.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "guest-pv/guest_stopped.h"
#include "guest-pv/hypercalls.h"
#include "guest-pv/moment.h"
#include "guest-pv/trace.h"

namespace pvmmu::guest {

class processor {
 public:
  explicit processor(hypercalls& xen) : xen_(xen) {}

  vcpu_id_t smp_processor_id() const { return id_; }
  bool in_interrupt() const { return in_interrupt_; }

  /// Goes on as vCPU `id`, outside of interrupts.
  void run_as(vcpu_id_t id) { id_ = id; }
  /// Runs `handler` on vCPU `target` as an interrupt does, then comes back.
  template <class F>
  void on(vcpu_id_t target, F&& handler) {
    const vcpu_id_t id = std::exchange(id_, target);
    const bool in_interrupt = std::exchange(in_interrupt_, true);
    std::forward<F>(handler)();
    id_ = id;
    in_interrupt_ = in_interrupt;
  }

  /// Runs `other`, which acts as other vCPUs or as an interrupt of this one, and then goes on as this one.
  template <class F>
  void aside(bool interrupt, F&& other) {
    const vcpu_id_t id = id_;
    const bool in_interrupt = std::exchange(in_interrupt_, interrupt);
    std::forward<F>(other)();
    id_ = id;
    in_interrupt_ = in_interrupt;
  }

  /// Who is told of moments; nothing: nobody.
  void listen(moment_listener listener) { listener_ = std::move(listener); }
  void reached(moment m) {
    if (listener_) listener_(m);
  }

  /// A hypercall's result as in rax. Throws guest_stopped if Xen crashed the domain.
  long hypercall(pvmmu::hypercall& call, std::string_view caller);

  /// The kernel's handler of its own page faults: true where the access can be made again.
  void on_page_fault(std::function<bool(const access_result&)> handler) { fault_handler_ = std::move(handler); }

  /// Runs `early` as at the start of a kernel, which has told Xen of no handler yet: a fault is the domain's end.
  template <class F>
  void before_traps(F&& early) {
    auto handler = std::exchange(fault_handler_, nullptr);
    std::forward<F>(early)();
    fault_handler_ = std::move(handler);
  }

  // Kernel-mode accesses of 8 bytes. A fault that the handler does not mend is the kernel's end: guest_stopped (oops).
  u64 load(u64 va, std::string_view caller);
  void store(u64 va, u64 value, std::string_view caller);
  u64 xchg(u64 va, u64 value, std::string_view caller);
  /// Stores `value`, of 1 or 8 bytes, if `expected` lies at `va`. Returns what lay there.
  u64 cmpxchg(u64 va, u64 expected, u64 value, u8 bytes, std::string_view caller);
  /// The low byte alone.
  void store_byte(u64 va, u64 value, std::string_view caller);

  /// What the process does: an access in user mode. A fault is an answer.
  access_result user_access(access_kind kind, u64 va, u64 value);

  void printk(std::string line) { log_.push_back(std::move(line)); }
  const std::vector<std::string>& log() const { return log_; }

  /// Who is told of the trace points; nullptr: nobody.
  void trace_to(trace_listener* listener) { trace_listener_ = listener; }
  bool traced() const { return trace_listener_ != nullptr; }
  template <class E>
  void trace(const E& e) {
    if (trace_listener_) trace_listener_->on_trace(id_, e);
  }

 private:
  access_result access(const access_request& request, std::string_view caller);
  u64 kernel_access(const access_request& request, std::string_view caller);

  hypercalls& xen_;
  vcpu_id_t id_ = 0;
  bool in_interrupt_ = false;
  std::function<bool(const access_result&)> fault_handler_;
  moment_listener listener_;
  std::vector<std::string> log_;
  trace_listener* trace_listener_ = nullptr;
};

}  // namespace pvmmu::guest
