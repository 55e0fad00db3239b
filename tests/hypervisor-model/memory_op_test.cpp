// memory_op on the model. Every result and record here was given by the real Xen for the same calls, and is asserted of
// it in tests/lab/memory_op_test.cpp, but where a test names a source line.

#include "hypervisor-model/memory_op.h"

#include "tests/hypervisor-model/guest_fixture.h"

namespace pvmmu::xen {
namespace {

constexpr u64 xens_va = 0xffff830000000000;
using frames = std::vector<u64>;

class memory_op_test : public hypervisor_test {
 protected:
  long reserve(u64 cmd, frames& list, std::optional<u64> nr = {}, u32 order = 0, domid_t domid = DOMID_SELF,
               u32 mem_flags = 0) {
    return d0.call(
        memory_op_call{cmd, xen_memory_reservation{{list}, nr.value_or(list.size()), order, mem_flags, domid}});
  }
  long decrease(mfn_t mfn, domid_t domid = DOMID_SELF) {
    frames list{mfn.n};
    return reserve(XENMEM_decrease_reservation, list, {}, 0, domid);
  }
  long exchange(xen_memory_exchange e) {
    hypercall call = memory_op_call{XENMEM_exchange, e};
    const long result = do_hypercall(m, d0.cpu(), call);
    nr_exchanged = std::get<xen_memory_exchange>(std::get<memory_op_call>(call).arg).nr_exchanged;
    return result;
  }
  xen_memory_exchange lists(frames& in, frames& out, u32 in_order = 0, u32 out_order = 0) {
    return {{{in}, in.size(), in_order}, {{out}, out.size(), out_order}};
  }
  long with_flags(u32 mem_flags) {
    frames list{0};
    return reserve(XENMEM_increase_reservation, list, {}, 0, DOMID_SELF, mem_flags);
  }

  u64 nr_exchanged = 0;
};

// A frame that nothing else refers to is gone with the first decrease, and is nobody's for the second.
TEST_F(memory_op_test, decrease_frees) {
  const mfn_t frame = d0.frame();
  EXPECT_EQ(decrease(frame), 1);
  EXPECT_EQ(m.page(frame).owner, owner_none);
  EXPECT_EQ(decrease(frame), 0);
}

// XSA-252: a decrease leaves pins and mappings alone. It takes the allocation once; without it the frame can be
// decreased again, and it is free with its last reference.
TEST_F(memory_op_test, decrease_leaves_pins_and_mappings) {
  const mfn_t table = d0.frame(), data = d0.frame();
  d0.word(table, 5) = make_pte(data, rw_flags);
  ASSERT_EQ(d0.pin(1, table), 0);
  EXPECT_EQ(decrease(table), 1);
  EXPECT_EQ(d0.state(table), "1 l1|pinned|validated|1");
  EXPECT_EQ(decrease(table), 1);
  EXPECT_EQ(decrease(data), 1);
  EXPECT_EQ(d0.state(data), "1 writable|validated|1");
  EXPECT_EQ(describe(audit(m)), "");
  EXPECT_EQ(d0.unpin(table), 0);
  EXPECT_EQ(m.page(table).owner, owner_none);
  EXPECT_EQ(m.page(data).owner, owner_none);
}

// A list is done up to its first bad frame, and a frame of DOMID_IO's or none at all is bad.
TEST_F(memory_op_test, decrease_stops_at_a_bad_frame) {
  const mfn_t first = d0.frame(), last = d0.frame();
  frames list{first.n, 1, last.n};
  EXPECT_EQ(reserve(XENMEM_decrease_reservation, list), 1);
  EXPECT_EQ(d0.state(last), "1 none|0");
  EXPECT_EQ(decrease({u64{1} << 40}), 0);
}

// One's own number is a domain as good as DOMID_SELF; numbers that no domain has do nothing, nor does populating on
// demand, which counts as done for another domain.
TEST_F(memory_op_test, domains) {
  const mfn_t own = d0.frame(), foreign = d1.frame();
  EXPECT_EQ(decrease(own, 77), 0);
  EXPECT_EQ(decrease(own, DOMID_IO), 0);
  EXPECT_EQ(decrease(own, DOMID_XEN), 0);
  EXPECT_EQ(decrease(own, 0), 1);
  EXPECT_EQ(decrease(foreign, 1), 1);
  frames pfns{0, 1};
  EXPECT_EQ(reserve(XENMEM_populate_physmap, pfns, {}, 12, DOMID_SELF, XENMEMF_populate_on_demand), 0);
  EXPECT_EQ(reserve(XENMEM_populate_physmap, pfns, {}, 12, 1, XENMEMF_populate_on_demand), 2);
  EXPECT_EQ(pfns, (frames{0, 1}));
}

// A domU acts on itself alone, and within what it may own (xsm/dummy.h:74, page_alloc.c:2377: "Over-allocation").
TEST_F(memory_op_test, a_domU_is_limited) {
  d1.d.max_pages = d1.d.tot_pages + 1;
  witness w(m);
  frames pfns{10, 11}, of_d0{d0.frame().n};
  const auto reservation = [](u64 cmd, frames& list, domid_t domid, u32 order = 0) {
    return memory_op_call{cmd, xen_memory_reservation{{list}, list.size(), order, 0, domid}};
  };
  EXPECT_EQ(d1.call(reservation(XENMEM_decrease_reservation, of_d0, 0)), 0);
  EXPECT_EQ(d1.call(reservation(XENMEM_populate_physmap, pfns, DOMID_SELF, 10)), 0);
  EXPECT_EQ(d1.call(reservation(XENMEM_populate_physmap, pfns, DOMID_SELF)), 1);
  EXPECT_EQ(w.messages, std::vector<std::string>{"(XEN) d1v0 Over-allocation for d1: 2 > 1"});
}

// New frames have no type, and what an earlier piece has done is left alone. The machine-to-phys table knows them.
TEST_F(memory_op_test, populate) {
  frames pfns{100, 101};
  EXPECT_EQ(reserve(XENMEM_populate_physmap, pfns, 3), 2);
  EXPECT_EQ(d0.state({pfns[1]}), "1 none|0");
  EXPECT_EQ(m.gpfn_from_mfn({pfns[1]}), 101u);
  frames again{100, 101};
  EXPECT_EQ(reserve(XENMEM_populate_physmap | 1 << MEMOP_EXTENT_SHIFT, again), 2);
  EXPECT_EQ(again[0], 100u);
  EXPECT_NE(again[1], 101u);
  EXPECT_EQ(reserve(XENMEM_populate_physmap | 2 << MEMOP_EXTENT_SHIFT, again), 2);
}

// A run of frames comes in one extent, and goes in parts; there are limits to orders, and to lists.
TEST_F(memory_op_test, runs_of_frames) {
  frames run{0};
  EXPECT_EQ(reserve(XENMEM_increase_reservation, run, 1, 2), 1);
  EXPECT_EQ(run[0] % 4, 0u);
  EXPECT_EQ(reserve(XENMEM_decrease_reservation, run, 1, 1), 1);
  EXPECT_EQ(m.page({run[0] + 1}).owner, owner_none);
  EXPECT_EQ(d0.state({run[0] + 2}), "1 none|0");
  EXPECT_EQ(reserve(XENMEM_populate_physmap, run, 1, 19), 0);
  EXPECT_EQ(reserve(XENMEM_increase_reservation, run, 1, 18), 0);
  EXPECT_EQ(reserve(XENMEM_decrease_reservation, run, u64{1} << 26), 0);
}

// increase does without a list; the others do not. Lists in Xen's range, or in nothing, get nothing.
TEST_F(memory_op_test, lists_that_are_none) {
  const auto at = [](u64 va) { return xen_memory_reservation{.extent_start = {{}, va}, .nr_extents = 2}; };
  EXPECT_EQ(d0.call(memory_op_call{XENMEM_increase_reservation, at(0)}), 2);
  for (const u64 cmd : {XENMEM_populate_physmap, XENMEM_decrease_reservation})
    EXPECT_EQ(d0.call(memory_op_call{cmd, at(0)}), 0);
  const u64 before = d0.d.tot_pages;
  EXPECT_EQ(d0.call(memory_op_call{XENMEM_increase_reservation, at(xens_va)}), 0);
  EXPECT_EQ(d0.d.tot_pages, before);
  EXPECT_EQ(d0.call(memory_op_call{XENMEM_populate_physmap}), 0);
  EXPECT_EQ(d0.call(memory_op_call{XENMEM_populate_physmap | 5 << MEMOP_EXTENT_SHIFT}), 5);
}

// Address bits up to 12 are refused; a node that is not there matters if it must be, one beyond all nodes always.
TEST_F(memory_op_test, mem_flags) {
  EXPECT_EQ(with_flags(12), 0);
  EXPECT_EQ(with_flags(28), 1);
  EXPECT_EQ(with_flags(200), 1);
  EXPECT_EQ(with_flags(3 << 8), 1);
  EXPECT_EQ(with_flags(3 << 8 | XENMEMF_exact_node_request), 0);
  EXPECT_EQ(with_flags(1 << 8 | XENMEMF_exact_node_request), 1);
  EXPECT_EQ(with_flags(66 << 8), 0);
  EXPECT_EQ(with_flags(XENMEMF_exact_node_request), 1);
  EXPECT_EQ(with_flags(3 << 8 | XENMEMF_vnode | XENMEMF_exact_node_request), 1);
}

// What is exchanged is gone, and what comes has no type.
TEST_F(memory_op_test, exchange_gives_new_frames) {
  const u64 pages = d0.d.tot_pages;
  frames in{d0.frame().n, d0.frame().n}, one{7}, out{7, 8};
  EXPECT_EQ(exchange(lists(in, out)), 0);
  EXPECT_EQ(nr_exchanged, 2u);
  EXPECT_EQ(m.page({in[1]}).owner, owner_none);
  EXPECT_EQ(d0.state({out[1]}), "1 none|0");
  EXPECT_EQ(m.gpfn_from_mfn({out[1]}), 8u);
  EXPECT_EQ(exchange(lists(out, one, 0, 1)), 0);
  EXPECT_EQ(one[0] % 2, 0u);
  EXPECT_EQ(d0.d.tot_pages, pages + 2);
}

// A frame that something refers to ends it; of a chunk, what was taken already comes back without its type.
TEST_F(memory_op_test, exchange_needs_frames_without_references) {
  const mfn_t pinned = d0.frame(), first = d0.frame(), last = d0.frame();
  ASSERT_EQ(d0.pin(1, pinned), 0);
  ASSERT_EQ(d0.ext({MMUEXT_CLEAR_PAGE, last.n, 0, {}}), 0);
  frames in{first.n, pinned.n, last.n}, out{7, 8, 9};
  EXPECT_EQ(exchange(lists(in, out)), EINVAL_);
  EXPECT_EQ(nr_exchanged, 1u);
  EXPECT_EQ(out[1], 8u);
  EXPECT_EQ(d0.state(last), "1 writable|validated|0");
  frames chunk{last.n, pinned.n}, one{7};
  EXPECT_EQ(exchange(lists(chunk, one, 0, 1)), EINVAL_);
  EXPECT_EQ(nr_exchanged, 0u);
  EXPECT_EQ(d0.state(last), "1 none|0");
}

// A chunk that cannot be told is exchanged and does not count; a list of old frames that ends too early ends it there.
TEST_F(memory_op_test, exchange_that_cannot_be_told) {
  frames in{d0.frame().n, d0.frame().n}, out{7};
  xen_memory_exchange e = lists(in, out);
  e.out.nr_extents = 2;
  EXPECT_EQ(exchange(e), EFAULT_);
  EXPECT_EQ(nr_exchanged, 1u);
  EXPECT_EQ(m.page({in[1]}).owner, owner_none);
  frames single{d0.frame().n}, two{7, 8};
  e = lists(single, two);
  e.in.nr_extents = 2;
  EXPECT_EQ(exchange(e), EFAULT_);
  EXPECT_EQ(nr_exchanged, 1u);
}

// Each refusal, in the order in which Xen looks; XSA-212 is a list of the guest's with the entry in Xen's range.
TEST_F(memory_op_test, exchange_refusals) {
  const mfn_t frame = d0.frame();
  const auto changed = [&](auto change) {
    frames in{frame.n}, out{7};
    xen_memory_exchange e = lists(in, out);
    change(e);
    return exchange(e);
  };
  EXPECT_EQ(changed([](auto& e) { e.in.extent_order = e.out.extent_order = 19; }), EPERM_);
  EXPECT_EQ(changed([](auto& e) { e.out.nr_extents = 2; }), EINVAL_);
  EXPECT_EQ(changed([](auto& e) { e.nr_exchanged = 2; }), EINVAL_);
  EXPECT_EQ(changed([](auto& e) { e.nr_exchanged = 1; }), 0);
  EXPECT_EQ(changed([](auto& e) { e.in.domid = 1; }), EINVAL_);
  EXPECT_EQ(changed([](auto& e) { e.in.domid = e.out.domid = 1; }), EINVAL_);
  EXPECT_EQ(changed([](auto& e) { e.in.domid = e.out.domid = 77; }), ESRCH_);
  EXPECT_EQ(changed([](auto& e) { e.out.extent_start = {{}, xens_va}; }), EFAULT_);
  EXPECT_EQ(changed([](auto& e) {
              e.in.nr_extents = e.out.nr_extents = u64{1} << 60;
              e.nr_exchanged = (xens_va - extent_list::anywhere) / 8 & ((u64{1} << 60) - 1);
              e.in.extent_start.va = e.out.extent_start.va = u64{0xffff} << 48 | extent_list::anywhere;
              e.nr_exchanged = (xens_va - e.out.extent_start.va) / 8 & ((u64{1} << 60) - 1);
              e.in.domid = e.out.domid = 77;
            }),
            EFAULT_);
  EXPECT_EQ(changed([](auto& e) { e.out.mem_flags = 66 << 8; }), EINVAL_);
  EXPECT_EQ(d0.call(memory_op_call{XENMEM_exchange}), EFAULT_);
  EXPECT_EQ(d0.call(memory_op_call{XENMEM_exchange | 1 << MEMOP_EXTENT_SHIFT}), EINVAL_);
  EXPECT_EQ(d0.state(frame), "1 none|0");
}

// The machine-to-phys table is told extent by extent, as far as the list goes.
TEST_F(memory_op_test, machphys_mfn_list) {
  m.machphys_mfns = {{0x300}};
  frames list{1, 2, 3};
  const auto call = [&](u64 cmd, u32 max_extents, std::span<u64> to) {
    return d0.call(memory_op_call{cmd, xen_machphys_mfn_list{max_extents, {to}}});
  };
  EXPECT_EQ(call(XENMEM_machphys_mfn_list, 4, list), 0);
  EXPECT_EQ(list, (frames{0x300, 2, 3}));
  EXPECT_EQ(call(XENMEM_machphys_mfn_list | 1 << MEMOP_EXTENT_SHIFT, 4, list), ENOSYS_);
  EXPECT_EQ(call(XENMEM_machphys_mfn_list, 4, {}), EFAULT_);
  EXPECT_EQ(call(XENMEM_machphys_mfn_list, 0, {}), 0);
  EXPECT_EQ(d0.call(memory_op_call{XENMEM_machphys_mfn_list}), EFAULT_);
  EXPECT_EQ(d0.call(memory_op_call{60}), ENOSYS_);
}

// The frames that are offered come, in their order; where one is not free, memory is out.
TEST_F(memory_op_test, offered_frames_come) {
  const mfn_t gone = d0.frame(), taken = d0.frame();
  ASSERT_EQ(decrease(gone), 1);
  const std::array offered{mfn_t{3000}, gone, taken};
  m.offer_frames(offered);
  frames pfns{1, 2, 3};
  EXPECT_EQ(reserve(XENMEM_populate_physmap, pfns), 2);
  EXPECT_EQ(pfns, (frames{3000, gone.n, 3}));
  EXPECT_EQ(reserve(XENMEM_populate_physmap, pfns, 1), 1);
}

// What a living domain leaves in a frame lies in it when it comes again; a dead one's is scrubbed (page_alloc.c:2530).
TEST_F(memory_op_test, contents_outlive_a_decrease) {
  const mfn_t own = d0.frame(), foreign = d1.frame();
  d0.word(own, 3) = 42;
  d0.word(foreign, 3) = 42;
  ASSERT_EQ(decrease(own), 1);
  m.remove_domain(1);
  const std::array offered{own, foreign};
  m.offer_frames(offered);
  frames pfns{1, 2};
  EXPECT_EQ(reserve(XENMEM_populate_physmap, pfns), 2);
  EXPECT_EQ(d0.word(own, 3), 42u);
  EXPECT_EQ(d0.word(foreign, 3), 0u);
}

// Preempted between extents, it goes on with the next one.
TEST_F(memory_op_test, a_continuation_goes_on_behind_the_last_extent) {
  struct always : preemption {
    bool check() override { return true; }
  } preempted;
  m.preempt_by(&preempted);
  frames pfns{1, 2, 3}, out{4, 5, 6};
  EXPECT_EQ(reserve(XENMEM_populate_physmap, pfns), 3);
  EXPECT_EQ(m.perfc.continuations, 2u);
  EXPECT_EQ(exchange(lists(pfns, out)), 0);
  EXPECT_EQ(m.perfc.continuations, 4u);
  m.preempt_by(nullptr);
  EXPECT_EQ(d0.state({out[2]}), "1 none|0");
}

}  // namespace
}  // namespace pvmmu::xen
