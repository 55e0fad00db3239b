#include "hypervisor-model/memory_exchange.h"

#include <algorithm>

#include "hypervisor-model/batch.h"
#include "hypervisor-model/memory_op.h"
#include "hypervisor-model/messages.h"

namespace pvmmu::xen {
namespace {

/// Frames that belong to nobody for a moment, linked through their records. The first in is the first out.
class page_chain {
 public:
  explicit page_chain(machine& m) : m_(m) {}
  void add(mfn_t mfn) {
    m_.page(mfn).next = 0;
    if (last_ != 0) {
      m_.page({last_}).next = static_cast<u32>(mfn.n);
    } else {
      first_ = mfn.n;
    }
    last_ = mfn.n;
  }
  std::optional<mfn_t> remove() {
    if (first_ == 0) return std::nullopt;
    const mfn_t mfn{first_};
    first_ = std::exchange(m_.page(mfn).next, 0);
    if (first_ == 0) last_ = 0;
    return mfn;
  }

 private:
  machine& m_;
  u64 first_ = 0;
  u64 last_ = 0;
};

bool lists_match(const xen_memory_exchange& e) {
  return e.nr_exchanged <= e.in.nr_extents && e.in.domid == e.out.domid &&
         (~u64{0} >> e.in.extent_order) >= e.in.nr_extents && (~u64{0} >> e.out.extent_order) >= e.out.nr_extents &&
         e.in.nr_extents << e.in.extent_order == e.out.nr_extents << e.out.extent_order;
}

class exchange {
 public:
  exchange(machine& m, vcpu& curr, xen_memory_exchange& e)
      : m_(m), curr_(curr), e_(e), in_order_(e.in.extent_order), out_order_(e.out.extent_order) {}
  long run();

 private:
  /// Extents of a chunk, as powers of 2: on one side it is one.
  unsigned in_chunk_order() const { return out_order_ > in_order_ ? out_order_ - in_order_ : 0; }
  unsigned out_chunk_order() const { return in_order_ > out_order_ ? in_order_ - out_order_ : 0; }

  outcome check();
  outcome one_chunk(u64 chunk);
  outcome steal_extents(u64 chunk);
  outcome steal(mfn_t mfn);
  bool allocate();
  void undo();
  outcome hand_over(u64 chunk);

  machine& m_;
  vcpu& curr_;
  xen_memory_exchange& e_;
  unsigned in_order_;
  unsigned out_order_;
  domain* d_ = nullptr;
  u64 limit_ = 0;
  page_chain in_{m_};   ///< frames
  page_chain out_{m_};  ///< extents, by their first frames
};

outcome exchange::check() {
  const u64 in_first = e_.nr_exchanged;
  const u64 out_first = e_.nr_exchanged >> in_chunk_order() << out_chunk_order();
  if (!subrange_okay(e_.in.extent_start, in_first, e_.in.nr_extents - 1) ||
      !subrange_okay(e_.out.extent_start, out_first, e_.out.nr_extents - 1)) {
    return refuse(xen_errno::efault);
  }
  const auto limit = frame_limit(*curr_.dom, e_.out.mem_flags);
  if (!limit) return refuse(xen_errno::einval);
  limit_ = *limit;
  d_ = domain_by_any_id(m_, curr_, e_.in.domid);
  if (!d_) return refuse(xen_errno::esrch);
  return xsm_target(*curr_.dom, *d_) ? outcome{} : refuse(xen_errno::eperm);
}

/// steal_page (mm.c:4371): with exactly the allocation's reference the frame leaves its owner.
outcome exchange::steal(mfn_t mfn) {
  if (!m_.mfn_valid(mfn)) return refuse(xen_errno::einval);
  page_info& pg = m_.page(mfn);
  constexpr u64 state = PGC_count_mask | PGC_allocated;
  const bool owned = pg.ref_count() != 0 && pg.owner == d_->owner();
  if (!owned || (pg.count_info & PGC_xen_heap) || (pg.count_info & state) != (PGC_allocated | 1)) {
    messages::bad_steal(m_, *d_, pg);
    return refuse(xen_errno::einval);
  }
  m_.steal_page(pg);
  in_.add(mfn);
  return {};
}

outcome exchange::steal_extents(u64 chunk) {
  const auto list = e_.in.extent_start.entries;
  const u64 first = chunk << in_chunk_order();
  for (u64 i = first; i < first + (u64{1} << in_chunk_order()); ++i) {
    if (i >= list.size()) return refuse(xen_errno::efault);
    for (u64 k = 0; k < u64{1} << in_order_; ++k) {
      if (const outcome o = steal({list[i] + k}); !o) return o;
    }
  }
  return {};
}

bool exchange::allocate() {
  for (u64 i = 0; i < u64{1} << out_chunk_order(); ++i) {
    const auto first = m_.alloc_heap_pages(out_order_, limit_);
    if (!first) return false;
    out_.add(*first);
  }
  return true;
}

void exchange::undo() {
  while (const auto mfn = in_.remove()) m_.give_page(*d_, m_.page(*mfn));
  while (const auto first = out_.remove()) {
    for (u64 k = 0; k < u64{1} << out_order_; ++k) m_.free_domheap_page(m_.page(*first + k));
  }
}

/// From here on the chunk cannot fail: only the guest's list can, which is told afterwards.
outcome exchange::hand_over(u64 chunk) {
  while (const auto mfn = in_.remove()) m_.free_domheap_page(m_.page(*mfn));
  outcome told;
  for (u64 i = chunk << out_chunk_order();; ++i) {
    const auto first = out_.remove();
    if (!first) return told;
    for (u64 k = 0; k < u64{1} << out_order_; ++k) m_.give_page(*d_, m_.page(*first + k));
    if (i >= e_.out.extent_start.entries.size()) {
      told = refuse(xen_errno::efault);
      continue;
    }
    u64& extent = e_.out.extent_start.entries[i];
    for (u64 k = 0; k < u64{1} << out_order_; ++k) m_.set_gpfn_from_mfn(*first + k, extent + k);
    extent = first->n;
  }
}

outcome exchange::one_chunk(u64 chunk) {
  outcome o = steal_extents(chunk);
  if (o && !allocate()) o = refuse(xen_errno::enomem);
  if (o) return hand_over(chunk);
  undo();
  return o;
}

long exchange::run() {
  if (std::max(in_order_, out_order_) > max_order(*curr_.dom)) return to_result(xen_errno::eperm);
  if (!lists_match(e_)) return to_result(xen_errno::einval);
  if (e_.nr_exchanged == e_.in.nr_extents) return 0;
  if (const outcome o = check(); !o) return to_result(o);
  const u64 first = e_.nr_exchanged >> in_chunk_order();
  for (u64 chunk = first; chunk < e_.in.nr_extents >> in_chunk_order(); ++chunk) {
    if (chunk != first && m_.hypercall_preempt_check()) {
      e_.nr_exchanged = chunk << in_chunk_order();
      return create_continuation(m_, curr_, HYPERVISOR_memory_op, e_.in.nr_extents - e_.nr_exchanged);
    }
    m_.notify(event_kind::entry, static_cast<u32>((chunk - first) << in_chunk_order()), {}, 0, 0);
    if (const outcome o = one_chunk(chunk); !o) {
      e_.nr_exchanged = chunk << in_chunk_order();
      return to_result(o);
    }
  }
  e_.nr_exchanged = e_.in.nr_extents;
  return 0;
}

}  // namespace

long memory_exchange(machine& m, vcpu& curr, memory_op_call& call) {
  auto* const e = std::get_if<xen_memory_exchange>(&call.arg);
  return e ? exchange(m, curr, *e).run() : to_result(xen_errno::efault);
}

}  // namespace pvmmu::xen
