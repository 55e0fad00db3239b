// Instructions per operation, from the guest's call to its return, beside those of the real Xen 4.17.7 (observed under
// QEMU with one instruction per tick). Run by instructions.py under callgrind, which counts inside do_hypercall only;
// each row's count is dumped under the row's name.

#include <fmt/format.h>
#include <valgrind/callgrind.h>

#include <functional>
#include <vector>

#include "hypervisor-model/hypercall.h"

namespace {

using namespace pvmmu;
using namespace pvmmu::xen;

constexpr u64 ro = PAGE_PRESENT | PAGE_USER | PAGE_ACCESSED | PAGE_GLOBAL;
constexpr u64 rw = ro | PAGE_RW | PAGE_DIRTY;
constexpr u64 table = PAGE_PRESENT | PAGE_RW | PAGE_USER | PAGE_ACCESSED;

/// A dom0 that runs on one path of tables. Its data are mapped writable already, as a guest's own image always is.
class small_guest {
 public:
  using frame_set = std::array<mfn_t, entries_per_table>;

  small_guest() {
    d_.vcpus.push_back(std::make_unique<vcpu>());
    d_.vcpus[0]->dom = &d_;
    for (frame_set* set : {&data, &other}) {
      for (mfn_t& mfn : *set) mfn = frame();
    }
    const mfn_t l4 = frame(), l3 = frame(), l2 = frame();
    link(l4, 0, l3);
    link(l3, 0, l2);
    link(l2, 0, l1_);
    link(l2, 1, loose_l1(data));
    link(l2, 2, loose_l1(other));
    run(mmuext({MMUEXT_NEW_BASEPTR, l4.n, 0, {}}));
  }

  long run(hypercall call) { return do_hypercall(m_, *d_.vcpus[0], call); }
  /// Entries 0 … n-1 of the L1 become frames of `set`, or nothing.
  mmu_update_call update(u32 n, const frame_set* set, u64 flags) {
    updates_.clear();
    for (u32 i = 0; i < n; ++i) {
      updates_.push_back({mfn_to_maddr(l1_, i * 8).bytes, set ? make_pte((*set)[i], flags) : 0});
    }
    return {{updates_, false}, n, {done_arg::state::writable}};
  }
  mmuext_op_call mmuext(const mmuext_op_t& op) {
    op_ = op;
    return {{{&op_, 1}, false}, 1, {done_arg::state::writable}};
  }
  /// An L1 that nothing refers to, with writable mappings of some data.
  mfn_t loose_l1(std::span<const mfn_t> mapped) {
    const mfn_t mfn = frame();
    for (u64* entry = m_.words(mfn); const mfn_t target : mapped) *entry++ = make_pte(target, rw);
    return mfn;
  }

  frame_set data, other;

 private:
  mfn_t frame() { return m_.alloc_domheap_page(d_).value(); }
  void link(mfn_t parent, unsigned slot, mfn_t child) { m_.words(parent)[slot] = make_pte(child, table); }

  machine m_{{.frames = 4096}};
  domain& d_ = m_.add_domain(domain_kind::dom0);
  mfn_t l1_ = frame();
  std::vector<mmu_update_t> updates_;
  mmuext_op_t op_;
};

/// Counts one call: `prepare`, uncounted, brings about the state before it.
void measure(const std::string& name, u32 entries, unsigned real, const std::function<void(small_guest&)>& prepare,
             const std::function<hypercall(small_guest&)>& operation) {
  small_guest guest;
  prepare(guest);
  const hypercall call = operation(guest);
  const std::string row = fmt::format("{}|{}|{}", name, entries, real);  // callgrind reads it after the request
  CALLGRIND_ZERO_STATS;
  const long result = guest.run(call);
  CALLGRIND_DUMP_STATS_AT(row.c_str());
  if (result != 0) throw std::runtime_error(fmt::format("{} returned {}", name, result));
}

void measure_updates(u32 n, const std::array<unsigned, 5>& real) {
  const auto nothing = [](small_guest&) {};
  const auto mapped = [n](small_guest& g) { g.run(g.update(n, &g.data, rw)); };
  measure("mmu_update, map a RW data page", n, real[0], nothing, [n](auto& g) { return g.update(n, &g.data, rw); });
  measure("mmu_update, change frame (RW→RW)", n, real[1], mapped, [n](auto& g) { return g.update(n, &g.other, rw); });
  measure("mmu_update, RW→RO", n, real[2], mapped, [n](auto& g) { return g.update(n, &g.data, ro); });
  measure("mmu_update, flags only (fast path)", n, real[3], mapped,
          [n](auto& g) { return g.update(n, &g.data, rw | PAGE_NX); });
  measure("mmu_update, clear", n, real[4], mapped, [n](auto& g) { return g.update(n, nullptr, 0); });
}

void measure_pins(u32 present, unsigned real_pin, unsigned real_unpin) {
  mfn_t l1;
  const auto make = [&](small_guest& g) { l1 = g.loose_l1(std::span(g.data).first(present)); };
  const auto make_and_pin = [&](small_guest& g) {
    make(g);
    g.run(g.mmuext({MMUEXT_PIN_L1_TABLE, l1.n, 0, {}}));
  };
  const std::string what = present ? "of 512 RW entries" : "of an empty L1";
  measure("PIN_L1 " + what, 1, real_pin, make, [&](auto& g) { return g.mmuext({MMUEXT_PIN_L1_TABLE, l1.n, 0, {}}); });
  measure("UNPIN " + what, 1, real_unpin, make_and_pin,
          [&](auto& g) { return g.mmuext({MMUEXT_UNPIN_TABLE, l1.n, 0, {}}); });
}

}  // namespace

int main() {
  measure_updates(1, {1027, 1172, 1120, 834, 882});
  measure_updates(8, {607, 752, 700, 414, 462});
  measure_updates(32, {562, 707, 655, 369, 417});
  measure_updates(512, {548, 693, 641, 355, 403});
  measure_pins(0, 10287, 8995);
  measure_pins(512, 106033, 83235);
  measure(
      "update_va_mapping, RW→RO", 1, 967, [](small_guest& g) { g.run(g.update(1, &g.data, rw)); },
      [](small_guest& g) -> hypercall {
        return update_va_mapping_call{.va = 0, .val = make_pte(g.data[0], ro), .flags = UVMF_NONE, .vcpumask = {}};
      });
  if (!RUNNING_ON_VALGRIND)
    fmt::print("run tests/bench/instructions.py with this program: it counts under callgrind\n");
}
