#include "hypervisor-model/server_handler.h"

#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include "hypervisor-model/audit.h"
#include "proto/abi/errno.h"
#include "tests/channel/requests.h"
#include "tests/proto/random_call.h"

namespace pvmmu {
namespace {

using namespace testing;
using wire::error;

constexpr machine_config small{.frames = 1 << 14, .debug_build = false};

/// Hello, and a domain. `machine` empty: a private one.
wire::start_info begin(peer& p, const std::string& machine,
                       const domain_config& config = {.pages = 2048, .kernel_pages = 16}) {
  wire::request request = hello(machine);
  request.mutable_hello()->set_events(true);
  encode(small, *request.mutable_hello()->mutable_machine());
  EXPECT_TRUE(p.ask(request).has_hello());
  const wire::reply created = p.ask(create_domain(config));
  EXPECT_TRUE(created.has_create_domain()) << created.ShortDebugString();
  return created.create_domain();
}

/// The machine frame behind a frame of a domain that was built in one piece.
u64 mfn_of(const wire::start_info& info, u64 pfn) {
  EXPECT_EQ(info.p2m().size(), 1);
  return info.p2m(0).mfn() + pfn;
}

u64 l4_of(const wire::start_info& info) { return mfn_of(info, (info.pt_base() - info.virt_base()) >> PAGE_SHIFT); }

wire::frame_state frame(peer& p, u64 mfn) {
  const wire::reply reply = p.ask(query_frame(mfn));
  EXPECT_TRUE(reply.has_query_frames()) << reply.ShortDebugString();
  return reply.query_frames().frames(0);
}

u64 counter(peer& p, const std::string& name) {
  wire::request request;
  request.mutable_read_counters();
  const wire::reply reply = p.ask(request);
  for (const auto& c : reply.read_counters().counters())
    if (c.name() == name) return c.value();
  ADD_FAILURE() << "no counter " << name;
  return 0;
}

// Another version is told which one is spoken here, and may try again.
TEST(server_handler, versions_must_agree) {
  xen::server_machines machines;
  peer p(machines);
  const wire::reply reply = p.ask(hello("", 7));
  expect_error(reply, error::wrong_version, "protocol version 1 is spoken here, the other side speaks 7");
  EXPECT_EQ(reply.error().protocol_version(), 1u);
  const wire::reply accepted = p.ask(hello());
  ASSERT_TRUE(accepted.has_hello());
  EXPECT_EQ(accepted.hello().protocol_version(), 1u);
  EXPECT_EQ(decode(accepted.hello().machine()), machine_config{});
}

// Nothing but hello begins a session, and hello only begins it.
TEST(server_handler, hello_comes_first_and_once) {
  xen::server_machines machines;
  peer p(machines);
  expect_error(p.ask(create_domain()), error::wrong_order, "hello is expected before anything else");
  EXPECT_TRUE(p.ask(hello()).has_hello());
  expect_error(p.ask(hello()), error::wrong_order, "a second hello, one is expected");
}

// Messages of a later version, and bytes that are none, are told apart; the session goes on after both.
TEST(server_handler, unknown_and_malformed_requests_are_answered) {
  xen::server_machines machines;
  peer p(machines);
  const std::string from_the_future = "\xa2\x06\x02hi";  // field 100, two bytes
  const std::string known =
      "hello, create_domain, destroy_domain, hypercall, access, query_frames, read_table or "
      "read_counters";
  expect_error(p.ask_bytes(from_the_future), error::unknown_request,
               "no request that protocol version 1 knows: expected " + known);
  expect_error(p.ask_bytes(""), error::unknown_request, "no request that protocol version 1 knows: expected " + known);
  expect_error(p.ask_bytes("\xff\xff"), error::malformed_request,
               "these bytes are no pvmmu.wire.request: see wire.proto");
  EXPECT_TRUE(p.ask(hello()).has_hello());
}

// Two sessions that name no machine have one each: both get the first domain and the first frames of theirs.
TEST(server_handler, machines_are_private_unless_named) {
  xen::server_machines machines;
  peer a(machines);
  peer b(machines);
  const wire::start_info of_a = begin(a, "");
  const wire::start_info of_b = begin(b, "");
  EXPECT_EQ(of_a.SerializeAsString(), of_b.SerializeAsString());
  const u64 mfn = l4_of(of_b);
  const std::string before = frame(b, mfn).SerializeAsString();
  EXPECT_TRUE(a.ask(destroy_domain(of_a.domid())).has_destroy_domain());
  EXPECT_EQ(frame(b, mfn).SerializeAsString(), before);
  EXPECT_NE(frame(a, mfn).SerializeAsString(), before);
}

// Sessions that name the same machine are on it together: its domains and frames are numbered for all of them, and
// each must describe it alike.
TEST(server_handler, a_named_machine_is_shared) {
  xen::server_machines machines;
  peer a(machines);
  peer b(machines);
  const wire::start_info of_a = begin(a, "bench");
  const wire::start_info of_b = begin(b, "bench");
  EXPECT_NE(of_a.domid(), of_b.domid());
  EXPECT_EQ(frame(b, l4_of(of_a)).owner(), of_a.domid());

  peer other(machines);
  wire::request request = hello("bench");
  encode(machine_config{}, *request.mutable_hello()->mutable_machine());
  expect_error(other.ask(request), error::machine_refused,
               "machine \"bench\" has 16384 frames and a release build, this session asks for 262144 frames and a "
               "release build");
  const wire::reply joined = other.ask(hello("bench"));
  EXPECT_EQ(joined.hello().machine().frames(), small.frames) << "without a description it is what it is";
}

// A shared machine goes with its last session: after that the name is free for another.
TEST(server_handler, a_shared_machine_ends_with_its_last_session) {
  xen::server_machines machines;
  {
    peer a(machines);
    begin(a, "bench");
  }
  peer b(machines);
  wire::request request = hello("bench");
  encode(machine_config{}, *request.mutable_hello()->mutable_machine());
  EXPECT_TRUE(b.ask(request).has_hello());
}

// A machine that cannot be is refused with what it may be, and so is a name without end.
TEST(server_handler, impossible_machines_are_refused) {
  xen::server_machines machines;
  peer p(machines);
  for (const u64 frames : {u64{0}, u64{1023}, (u64{1} << 28) + 1, ~u64{0}}) {
    wire::request request = hello();
    request.mutable_hello()->mutable_machine()->set_frames(frames);
    expect_error(p.ask(request), error::machine_refused,
                 "a machine has 1024 to 268435456 frames of 4 KiB, not " + std::to_string(frames));
  }
  expect_error(p.ask(hello(std::string(65, 'x'))), error::machine_refused,
               "a machine's name of 65 bytes, at most 64 are expected");
}

// A call is preempted at the checks that its request names, and goes on to the same end; a list that cannot be is
// refused.
TEST(server_handler, calls_are_preempted_at_the_checks_that_they_name) {
  xen::server_machines machines;
  peer p(machines);
  const auto info = begin(p, "");
  // Two operations, with a check between them.
  const std::vector<mmuext_op_t> flushes(2, {.cmd = MMUEXT_TLB_FLUSH_LOCAL});
  wire::request request = make_call(info.domid(), mmuext_op_call{{flushes}, 2});
  const u64 before = counter(p, "continuations");
  EXPECT_EQ(p.ask(request).hypercall().outcome().result(), 0);
  EXPECT_EQ(counter(p, "continuations"), before) << "nothing wants the processor by itself";
  request.mutable_hypercall()->add_preempted_checks(1);
  EXPECT_EQ(p.ask(request).hypercall().outcome().result(), 0);
  EXPECT_EQ(counter(p, "continuations"), before + 1);
  request.mutable_hypercall()->add_preempted_checks(1);
  expect_error(p.ask(request), error::malformed_request, "preempted_checks are counted from 1, and ascending");
}

// A domain that cannot be is refused in the builder's words, and nothing is left of it.
TEST(server_handler, impossible_domains_are_refused) {
  xen::server_machines machines;
  peer p(machines);
  begin(p, "");
  expect_error(p.ask(create_domain({.pages = 1 << 20})), error::domain_refused,
               "a domain of 1048576 pages does not fit a machine of 16384 frames");
  expect_error(p.ask(create_domain({.vcpus = 65})), error::malformed_request, "65 vCPUs, expected 1 to 64");
  EXPECT_EQ(p.ask(create_domain()).create_domain().domid(), 1u) << "the next number: none was lost";
}

// Nobody acts for another session's domain, by whatever request.
TEST(server_handler, another_sessions_domain_is_refused) {
  xen::server_machines machines;
  peer a(machines);
  peer b(machines);
  const wire::start_info of_a = begin(a, "bench");
  begin(b, "bench");
  const std::string before = frame(a, l4_of(of_a)).SerializeAsString();
  const std::string text = "domain 0 is none of this session's, which are [1]";
  expect_error(b.ask(make_call(of_a.domid(), mmu_update_call{})), error::no_such_domain, text);
  expect_error(b.ask(access_memory(of_a.domid(), {})), error::no_such_domain, text);
  expect_error(b.ask(destroy_domain(of_a.domid())), error::no_such_domain, text);
  expect_error(b.ask(destroy_domain(65536)), error::no_such_domain,
               "domain 65536 is none of this session's, which are [1]");
  expect_error(b.ask(read_table(l4_of(of_a))), error::no_such_frame,
               fmt::format("mfn {:#x} belongs to no domain of this session", l4_of(of_a)));
  EXPECT_EQ(frame(a, l4_of(of_a)).SerializeAsString(), before);
}

// A frame of another domain is Xen's to refuse: the call is carried out, fails, and neither frame nor entry changes.
TEST(server_handler, frames_of_another_domain_are_refused_by_xen) {
  xen::server_machines machines;
  peer a(machines);
  peer b(machines);
  const wire::start_info of_a = begin(a, "bench");
  const wire::start_info of_b = begin(b, "bench", {.kind = domain_kind::domU, .pages = 2048, .kernel_pages = 16});
  const u64 foreign = mfn_of(of_a, 0);
  const u64 l1 = l4_of(of_b) + 1;  // the builder takes an L1 after the L4
  const std::string frame_before = frame(a, foreign).SerializeAsString();
  const std::string table_before = b.ask(read_table(l1)).SerializeAsString();
  const std::vector<mmu_update_t> map{{mfn_to_maddr({l1}).bytes, make_pte({foreign}, PAGE_PRESENT | PAGE_RW)}};
  const std::vector<mmu_update_t> write{{mfn_to_maddr({foreign}).bytes, 1}};
  for (const auto& list : {map, write}) {
    const wire::reply reply = b.ask(make_call(of_b.domid(), mmu_update_call{{list}, 1, {}, DOMID_SELF}));
    ASSERT_TRUE(reply.has_hypercall()) << reply.ShortDebugString();
    EXPECT_LT(reply.hypercall().outcome().result(), 0);
  }
  EXPECT_EQ(frame(a, foreign).SerializeAsString(), frame_before);
  EXPECT_EQ(b.ask(read_table(l1)).SerializeAsString(), table_before);
}

// Numbers of frames and vCPUs that do not exist are refused before anything is looked at.
TEST(server_handler, frames_and_vcpus_beyond_the_machine_are_refused) {
  xen::server_machines machines;
  peer p(machines);
  const wire::start_info info = begin(p, "");
  for (const u64 mfn : {small.frames, ~u64{0}}) {
    expect_error(p.ask(query_frame(mfn)), error::no_such_frame,
                 fmt::format("mfn {:#x} is beyond the machine's 0x4000 frames", mfn));
    EXPECT_EQ(p.ask(read_table(mfn)).error().code(), error::no_such_frame);
  }
  expect_error(p.ask(make_call(info.domid(), mmu_update_call{}, 1)), error::no_such_vcpu,
               "vCPU 1 of domain 0, which has 1");
  expect_error(p.ask(access_memory(info.domid(), {}, ~u32{0})), error::no_such_vcpu,
               "vCPU 4294967295 of domain 0, which has 1");
}

// What one session may use is bounded, and the bound is named.
TEST(server_handler, a_session_has_bounds) {
  xen::server_machines machines;
  peer few_pages(machines, {.max_pages = 3000});
  begin(few_pages, "");
  expect_error(few_pages.ask(create_domain()), error::limit_reached,
               "a domain of 2048 pages, this session may have 952 more of its 3000");
  EXPECT_TRUE(few_pages.ask(destroy_domain(0)).has_destroy_domain());
  EXPECT_TRUE(few_pages.ask(create_domain()).has_create_domain()) << "what was given back may be had again";

  peer few_domains(machines, {.max_domains = 1});
  begin(few_domains, "");
  expect_error(few_domains.ask(create_domain()), error::limit_reached, "a session may have 1 domains at a time");

  wire::request many;
  for (int i = 0; i < 65537; ++i) many.mutable_query_frames()->add_mfns(0);
  expect_error(few_domains.ask(many), error::limit_reached, "65537 frames in one query, at most 65536 are expected");
}

// Events beyond the bound are counted, so that a listener knows that it did not hear all.
TEST(server_handler, the_volume_of_events_is_bounded) {
  xen::server_machines machines;
  peer all(machines);
  peer some(machines, {.max_event_bytes_per_request = 1});
  begin(all, "");
  begin(some, "");
  const wire::reply heard = all.ask(destroy_domain(0));
  const wire::reply bounded = some.ask(destroy_domain(0));
  EXPECT_EQ(heard.events_dropped(), 0u);
  EXPECT_GT(heard.events().size(), 2048) << "at least one event a frame";
  EXPECT_GT(bounded.events().size(), 0);
  EXPECT_EQ(bounded.events().size() + static_cast<int>(bounded.events_dropped()), heard.events().size());
}

// Who wants no events gets none, and the same results.
TEST(server_handler, events_come_only_where_asked_for) {
  xen::server_machines machines;
  peer p(machines);
  ASSERT_TRUE(p.ask(hello()).has_hello());
  ASSERT_TRUE(p.ask(create_domain()).has_create_domain());
  const wire::reply reply = p.ask(destroy_domain(0));
  EXPECT_TRUE(reply.has_destroy_domain());
  EXPECT_EQ(reply.events().size(), 0);
}

// A session that goes takes its domains along, and leaves those of others as they were.
TEST(server_handler, domains_go_with_their_session) {
  xen::server_machines machines;
  peer stays(machines);
  const wire::start_info kept = begin(stays, "bench");
  const std::string before = frame(stays, l4_of(kept)).SerializeAsString();
  u64 gone = 0;
  {
    peer goes(machines);
    gone = l4_of(begin(goes, "bench"));
    EXPECT_TRUE(frame(stays, gone).has_owner());
  }
  EXPECT_FALSE(frame(stays, gone).has_owner());
  EXPECT_EQ(frame(stays, l4_of(kept)).SerializeAsString(), before);
  EXPECT_TRUE(stays.ask(make_call(kept.domid(), mmu_update_call{})).has_hypercall());
}

// A frame that a privileged domain still maps when its owner goes is freed with that mapping, and not before: until
// then nobody else gets the frame or its owner's number.
TEST(server_handler, a_mapped_frame_outlives_its_domain) {
  xen::server_machines machines;
  peer dom0(machines);
  const wire::start_info info = begin(dom0, "bench");
  const u64 entry = mfn_to_maddr({l4_of(info) + 1}).bytes;  // the builder takes an L1 after the L4
  const auto update = [&](u64 val, u32 foreigndom) {
    const std::vector<mmu_update_t> list{{entry, val}};
    return dom0.ask(make_call(info.domid(), mmu_update_call{{list}, 1, {}, foreigndom})).hypercall().outcome().result();
  };
  u64 mapped = 0;
  u32 gone = 0;
  {
    peer other(machines);
    const wire::start_info of_other =
        begin(other, "bench", {.kind = domain_kind::domU, .pages = 2048, .kernel_pages = 16});
    gone = of_other.domid();
    mapped = mfn_of(of_other, 1500);
    ASSERT_EQ(update(make_pte({mapped}, PAGE_PRESENT | PAGE_RW), gone), 0);
  }
  EXPECT_EQ(frame(dom0, mapped).owner(), gone);
  EXPECT_NE(dom0.ask(create_domain()).create_domain().domid(), gone);
  EXPECT_EQ(update(0, DOMID_SELF), 0);
  EXPECT_FALSE(frame(dom0, mapped).has_owner());
}

// A domain that Xen has crashed says so from then on, and does nothing more. The crash: an entry of a domU that is not
// present and names a low address (L1TF, xen 4.17 asm/shadow.h:190).
TEST(server_handler, a_crashed_domain_answers_so) {
  xen::server_machines machines;
  peer p(machines);
  const wire::start_info info = begin(p, "", {.kind = domain_kind::domU, .pages = 2048, .kernel_pages = 16});
  const u64 l1 = l4_of(info) + 1;
  const std::vector<mmu_update_t> list{{mfn_to_maddr({l1}).bytes, 0x1000}};
  for (int i = 0; i < 2; ++i) {
    const wire::reply reply = p.ask(make_call(info.domid(), mmu_update_call{{list}, 1, {}, DOMID_SELF}));
    ASSERT_TRUE(reply.has_hypercall());
    EXPECT_TRUE(reply.hypercall().crashed());
    EXPECT_FALSE(reply.hypercall().has_outcome());
    EXPECT_EQ(reply.events().empty(), i == 1) << "nothing happens any more";
  }
  EXPECT_TRUE(p.ask(access_memory(info.domid(), {.va = info.virt_base()})).access().crashed());
  EXPECT_TRUE(p.ask(destroy_domain(info.domid())).has_destroy_domain());
}

// A count that promises more than was sent finds unreadable memory: -EFAULT after the entries that were there, and
// nothing is made ready for the rest (xen 4.17 mm.c do_mmu_update).
TEST(server_handler, counts_beyond_the_entries_sent_cost_nothing) {
  xen::server_machines machines;
  peer p(machines);
  const wire::start_info info = begin(p, "");
  const std::vector<mmu_update_t> list{{mfn_to_maddr({mfn_of(info, 0)}).bytes, 1}};
  const done_arg done{.where = done_arg::state::writable};
  const wire::reply reply = p.ask(make_call(info.domid(), mmu_update_call{{list}, 0x7fffffff, done, DOMID_SELF}));
  EXPECT_EQ(reply.hypercall().outcome().result(), to_result(xen_errno::efault));
  EXPECT_EQ(reply.hypercall().outcome().done(), 1u);
}

// Counters are told by Xen's names and grow with what was done.
TEST(server_handler, counters_are_told_by_name) {
  xen::server_machines machines;
  peer p(machines);
  const wire::start_info info = begin(p, "");
  const std::vector<mmu_update_t> list(3, {mfn_to_maddr({mfn_of(info, 0)}).bytes, 1});
  const u64 calls = counter(p, "calls_to_mmu_update");
  const u64 updates = counter(p, "num_page_updates");
  p.ask(make_call(info.domid(), mmu_update_call{{list}, 3, {}, DOMID_SELF}));
  EXPECT_EQ(counter(p, "calls_to_mmu_update"), calls + 1);
  EXPECT_EQ(counter(p, "num_page_updates"), updates + 3);
}

// Whatever bytes come: each request has one answer, and the machine's counts stay right.
TEST(server_handler, hostile_bytes_do_no_harm) {
  google::protobuf::SetLogHandler(nullptr);
  constexpr u64 seed = 4;
  std::cout << "seed " << seed << "\n";
  xen::server_machines machines;
  peer p(machines);
  const wire::start_info info = begin(p, "bench", {.kind = domain_kind::domU, .pages = 2048, .kernel_pages = 16});
  random_calls calls(seed);
  for (int i = 0; i < 5000; ++i) {
    std::string bytes = make_call(info.domid(), calls.any()).SerializeAsString();
    for (u64 changes = calls.below(3); changes > 0; --changes)
      bytes[calls.below(bytes.size())] = static_cast<char>(calls.below(256));
    EXPECT_NE(p.ask_bytes(bytes).outcome_case(), wire::reply::OUTCOME_NOT_SET);
  }
  const auto served = machines.join(hello("bench").hello());
  ASSERT_TRUE(served);
  EXPECT_TRUE(xen::audit((*served)->m).empty());
}

}  // namespace
}  // namespace pvmmu
