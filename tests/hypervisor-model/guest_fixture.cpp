#include "tests/hypervisor-model/guest_fixture.h"

#include <fmt/format.h>

#include <algorithm>

namespace pvmmu::xen {

u64 witness::count(event_kind kind) const { return static_cast<u64>(std::ranges::count(events, kind, &event::kind)); }

u64 witness::count(flush_reason reason) const { return masks(reason).size(); }

std::vector<u64> witness::masks(flush_reason reason) const {
  std::vector<u64> result;
  for (const event& e : events) {
    if (e.kind == event_kind::flush && e.old == static_cast<u64>(reason)) result.push_back(e.value);
  }
  return result;
}

guest::guest(machine& machine_, domain_kind kind, unsigned vcpus) : m(machine_), d(machine_.add_domain(kind)) {
  for (unsigned id = 0; id < vcpus; ++id) {
    d.vcpus.push_back(std::make_unique<vcpu>());
    d.vcpus.back()->id = id;
    d.vcpus.back()->dom = &d;
  }
}

mfn_t guest::frame() { return m.alloc_domheap_page(d).value(); }

tree guest::build_tree() {
  const tree t{frame(), frame(), frame(), frame(), frame()};
  word(t.l4, 0) = make_pte(t.l3, table_flags);
  word(t.l3, 0) = make_pte(t.l2, table_flags);
  word(t.l2, 0) = make_pte(t.l1, table_flags);
  word(t.l1, 0) = make_pte(t.data, rw_flags);
  return t;
}

tree guest::boot() {
  const tree t = build_tree();
  EXPECT_EQ(baseptr(t.l4), 0);
  return t;
}

std::string guest::state(mfn_t mfn) {
  static constexpr std::array<std::string_view, 8> names = {"none", "l1",       "l2",     "l3",
                                                            "l4",   "seg_desc", "shared", "writable"};
  const page_info& pg = info(mfn);
  return fmt::format("{} {}{}{}{}|{}", pg.ref_count(), names[pg.type_info >> 61],
                     pg.type_info & PGT_pinned ? "|pinned" : "", pg.type_info & PGT_validated ? "|validated" : "",
                     pg.type_info & PGT_partial ? "|partial" : "", pg.type_count());
}

long guest::update(mfn_t table, unsigned slot, u64 value, u32 cmd, u32 foreigndom) {
  return updates({entry_update(table, slot, value, cmd)}, foreigndom);
}

long guest::updates(const std::vector<mmu_update_t>& list, u32 foreigndom) {
  hypercall call = mmu_update_call{.ureqs = {list, false},
                                   .count = static_cast<u32>(list.size()),
                                   .pdone = {done_arg::state::writable},
                                   .foreigndom = foreigndom};
  const long rc = do_hypercall(m, cpu(), call);
  const done_arg& pdone = std::get<mmu_update_call>(call).pdone;
  done = pdone.written ? std::optional(pdone.value) : std::nullopt;
  return rc;
}

long guest::ext(const mmuext_op_t& op, u32 foreigndom, unsigned vcpu) {
  const std::array list = {op};
  hypercall call = mmuext_op_call{.uops = {list, false}, .count = 1, .pdone = {}, .foreigndom = foreigndom};
  return do_hypercall(m, cpu(vcpu), call);
}

long guest::exts(const std::vector<mmuext_op_t>& list, u32 foreigndom) {
  hypercall call = mmuext_op_call{.uops = {list, false},
                                  .count = static_cast<u32>(list.size()),
                                  .pdone = {done_arg::state::writable},
                                  .foreigndom = foreigndom};
  const long rc = do_hypercall(m, cpu(), call);
  const done_arg& pdone = std::get<mmuext_op_call>(call).pdone;
  done = pdone.written ? std::optional(pdone.value) : std::nullopt;
  return rc;
}

long guest::va_mapping(u64 va, u64 value, u64 flags, vcpumask_arg mask) {
  return call(update_va_mapping_call{.va = va, .val = value, .flags = flags, .vcpumask = mask});
}

access_result guest::access(access_kind kind, u64 va, u64 value, u8 bytes, u64 expected, cpu_mode mode) {
  return guest_access(m, cpu(), {kind, mode, bytes, va, value, expected});
}

mmu_update_t entry_update(mfn_t table, unsigned slot, u64 value, u32 cmd) {
  return {mfn_to_maddr(table, slot * 8).bytes | cmd, value};
}

std::string describe(const std::vector<audit_finding>& findings) {
  std::string text;
  for (const audit_finding& f : findings) text += fmt::format("{} mfn {:#x}: {}\n", f.invariant, f.mfn.n, f.text);
  return text;
}

}  // namespace pvmmu::xen
