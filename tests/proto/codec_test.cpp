#include "proto/codec.h"

#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include <iostream>

#include "tests/proto/random_call.h"

namespace pvmmu {
namespace {

using testing::random_calls;
using testing::same;

u64 announced_seed(u64 seed) {
  std::cout << "seed " << seed << "\n";
  return seed;
}

std::string bytes_of(const hypercall& call) {
  wire::hypercall message;
  encode(call, message);
  return message.SerializeAsString();
}

decode_result<void> decode_bytes(const std::string& bytes, decoded_call& decoded) {
  wire::hypercall message;
  EXPECT_TRUE(message.ParseFromString(bytes));
  return decoded.decode(message);
}

/// An entry that does nothing, `depth` multicalls deep.
void nest(wire::hypercall& message, unsigned depth) {
  if (depth == 0) return message.mutable_unknown()->set_op(1), void();
  nest(*message.mutable_multicall()->add_call_list(), depth - 1);
}

// Every field of every kind of call arrives as it was sent, also when the same memory takes one call after the other.
TEST(codec, calls_survive_the_round_trip) {
  random_calls calls(announced_seed(1));
  decoded_call decoded;
  for (int i = 0; i < 20000; ++i) {
    const hypercall call = calls.any();
    ASSERT_TRUE(decode_bytes(bytes_of(call), decoded)) << "call " << i;
    ASSERT_TRUE(same(call, decoded.call())) << "call " << i << ", " << hypercall_name(call);
  }
}

// Results, done and overwritten marks reach the caller's own structures, in multicalls as well.
TEST(codec, outcomes_survive_the_round_trip) {
  random_calls calls(announced_seed(2));
  for (int i = 0; i < 20000; ++i) {
    hypercall asked = calls.any();
    decoded_call decoded;
    ASSERT_TRUE(decode_bytes(bytes_of(asked), decoded));

    const auto run = [&](hypercall& call, auto& self) -> void {
      const auto finish = [&](done_arg& done) {
        if (done.where != done_arg::state::writable || calls.below(2)) return;
        done.value = static_cast<u32>(calls.below(1000));
        done.written = true;
      };
      if (auto* update = std::get_if<mmu_update_call>(&call)) finish(update->pdone);
      if (auto* ext = std::get_if<mmuext_op_call>(&call)) finish(ext->pdone);
      if (auto* grants = std::get_if<grant_table_op_call>(&call)) {
        if (auto* version = std::get_if<gnttab_set_version_t>(&grants->uop)) version->version = 1;
        if (auto* frames = std::get_if<gnttab_get_status_frames_t>(&grants->uop)) {
          frames->status = -static_cast<s16>(calls.below(5));
          for (u64& mfn : frames->frame_list) mfn = calls.below(1000);
        }
      }
      if (auto* multicall = std::get_if<multicall_call>(&call)) {
        for (multicall_entry& entry : multicall->call_list) {
          entry.result = static_cast<s64>(calls.below(100)) - 50;
          entry.overwritten = calls.below(2) == 0;
          self(entry.call, self);
        }
      }
    };
    run(decoded.call(), run);

    wire::call_outcome outcome;
    decoded.encode_outcome(-22, outcome);
    EXPECT_EQ(apply_outcome(outcome, asked), -22);
    ASSERT_TRUE(same(asked, decoded.call())) << "call " << i << ", " << hypercall_name(asked);
  }
}

// A multicall's results are those of the entries sent, even where running it has moved the call's own list forward, as
// a continuation does.
TEST(codec, an_outcome_has_all_entries_of_a_continued_multicall) {
  std::vector<multicall_entry> entries(3, {unknown_call{1}});
  decoded_call decoded;
  ASSERT_TRUE(decode_bytes(bytes_of(multicall_call{entries, false, 3}), decoded));
  auto& multicall = std::get<multicall_call>(decoded.call());
  for (long result = -1; multicall_entry & entry : multicall.call_list) entry.result = result--;
  multicall.call_list = multicall.call_list.subspan(2);

  wire::call_outcome outcome;
  decoded.encode_outcome(0, outcome);
  hypercall asked = multicall_call{entries, false, 3};
  ASSERT_TRUE(apply_outcome(outcome, asked));
  EXPECT_EQ(entries[0].result, -1);
  EXPECT_EQ(entries[2].result, -3);
}

// A multicall in a multicall is for Xen to refuse; one more is refused here, so that no message nests without bound.
TEST(codec, multicalls_nest_twice_and_no_deeper) {
  decoded_call decoded;
  wire::hypercall twice;
  nest(twice, 2);
  EXPECT_TRUE(decoded.decode(twice));
  wire::hypercall thrice;
  nest(thrice, 3);
  const auto refused = decoded.decode(thrice);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), "multicall entry 0: multicall entry 0: multicalls stand in each other more than 2 deep");
}

// What a structure cannot hold is refused, and the text says where and what was expected.
TEST(codec, values_out_of_range_are_refused) {
  decoded_call decoded;
  wire::hypercall nothing;
  ASSERT_FALSE(decoded.decode(nothing));
  EXPECT_NE(decoded.decode(nothing).error().find("expected mmu_update, mmuext_op"), std::string::npos);

  wire::hypercall multicall;
  multicall.mutable_multicall()->add_call_list()->mutable_unknown();
  multicall.mutable_multicall()->add_call_list()->mutable_update_va_mapping_otherdomain()->set_domid(65536);
  ASSERT_FALSE(decoded.decode(multicall));
  EXPECT_EQ(decoded.decode(multicall).error(),
            "multicall entry 1: update_va_mapping_otherdomain: domid 65536 is beyond 65535");

  wire::access_request access;
  access.set_bytes(3);
  EXPECT_EQ(decode(access).error(), "an access of 3 bytes, expected 1, 2, 4 or 8");
  access.set_bytes(8);
  access.set_va(0xffd);
  EXPECT_EQ(decode(access).error(), "an access across the end of a page, expected one within a page");
  access.set_va(0xff8);
  EXPECT_TRUE(decode(access));
  access.set_kind(static_cast<wire::access_request::access_kind>(5));
  EXPECT_EQ(decode(access).error(), "access kind 5 is beyond 4");

  wire::create_domain_request domain;
  EXPECT_EQ(decode(domain).error(), "0 vCPUs, expected 1 to 64");
  domain.set_vcpus(65);
  EXPECT_EQ(decode(domain).error(), "65 vCPUs, expected 1 to 64");

  wire::read_table_reply table;
  table.add_entries(1);
  EXPECT_EQ(decode(table).error(), "a table of 1 entries, expected 512");

  wire::event nameless;
  EXPECT_FALSE(decode(nameless));
  nameless.set_kind(static_cast<wire::event::event_kind>(-1));
  EXPECT_FALSE(decode(nameless));
}

// An answer that does not fit the call is noticed: more or fewer entries, done where the caller passed none.
TEST(codec, outcomes_of_another_call_are_refused) {
  std::vector<multicall_entry> entries(2, {unknown_call{1}});
  hypercall multicall = multicall_call{entries, false, 2};
  wire::call_outcome outcome;
  outcome.add_entries();
  EXPECT_EQ(apply_outcome(outcome, multicall).error(), "results of 1 multicall entries, expected 2");
  wire::call_outcome with_done;
  with_done.set_done(1);
  hypercall update = mmu_update_call{};
  EXPECT_EQ(apply_outcome(with_done, update).error(), "done of a call that passed none");
}

// Events of every kind arrive with all that they say.
TEST(codec, events_survive_the_round_trip) {
  for (int kind = 0; kind <= static_cast<int>(event_kind::message); ++kind) {
    const event sent{static_cast<event_kind>(kind), 511, {0x1a3}, 1, ~u64{0}, "(XEN) mfn 1a3 already pinned"};
    wire::event message;
    encode(sent, message);
    const auto got = decode(message);
    ASSERT_TRUE(got);
    EXPECT_EQ(std::tie(got->kind, got->slot, got->mfn, got->old, got->value, got->text),
              std::tie(sent.kind, sent.slot, sent.mfn, sent.old, sent.value, sent.text));
  }
}

// What sets up machines and domains, and what is told of them, arrives whole.
TEST(codec, set_up_survives_the_round_trip) {
  const machine_config machine{.frames = u64{1} << 28, .debug_build = true, .tlb = true};
  wire::machine_config machine_message;
  encode(machine, machine_message);
  EXPECT_EQ(decode(machine_message), machine);

  const start_info info{1, 2, 3, 4, 5, 6, 7, {{{8}, {9}, 10}, {{11}, {12}, 13}}};
  wire::start_info info_message;
  encode(info, info_message);
  EXPECT_EQ(decode(info_message), info);

  const domain_config config{domain_kind::domU, 9, 64, 0xffff880000000000, 7, 8, false};
  wire::create_domain_request config_message;
  encode(config, config_message);
  const auto got = decode(config_message);
  ASSERT_TRUE(got);
  EXPECT_EQ(std::tie(got->kind, got->pages, got->vcpus, got->virt_base, got->kernel_pages, got->initrd_bytes,
                     got->vm_assist_writable_pagetables),
            std::tie(config.kind, config.pages, config.vcpus, config.virt_base, config.kernel_pages,
                     config.initrd_bytes, config.vm_assist_writable_pagetables));

  for (const frame_state& state : {frame_state{~u64{0}, 1, domid_t{0}}, frame_state{2, 3, std::nullopt}}) {
    wire::frame_state state_message;
    encode(state, state_message);
    EXPECT_EQ(decode(state_message), state);
  }
}

// Loads and stores arrive with all that they ask, and their results with all that they say.
TEST(codec, accesses_survive_the_round_trip) {
  const access_request asked{access_kind::cmpxchg, cpu_mode::user, 4, 0xffff800000001ffc, ~u64{0}, 7};
  wire::access_request request;
  encode(asked, request);
  const auto got = decode(request);
  ASSERT_TRUE(got);
  EXPECT_EQ(std::tie(got->kind, got->mode, got->bytes, got->va, got->value, got->expected),
            std::tie(asked.kind, asked.mode, asked.bytes, asked.va, asked.value, asked.expected));

  const access_result result{.fault = true,
                             .vector = exception_vector::segment_not_present,
                             .error_code = PFEC_page_present | PFEC_write_access,
                             .cr2 = 0x1000,
                             .value = ~u64{0},
                             .emulated = true};
  wire::access_reply reply;
  encode(result, reply);
  const access_result back = decode(reply);
  EXPECT_EQ(std::tie(back.fault, back.vector, back.error_code, back.cr2, back.value, back.emulated),
            std::tie(result.fault, result.vector, result.error_code, result.cr2, result.value, result.emulated));
}

// A selector of the GDT, or a number that is none, is refused with what was expected.
TEST(codec, selectors_are_those_of_the_ldt) {
  wire::access_request request;
  encode(access_request{.kind = access_kind::load_selector, .value = 0x0f}, request);
  EXPECT_TRUE(decode(request));
  for (const u64 value : {u64{0x0b}, u64{0x1000f}}) {
    request.set_value(value);
    const auto refused = decode(request);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().find("expected one of the LDT"), std::string::npos) << refused.error();
  }
}

// Bytes changed, cut or repeated anywhere are either no message, refused, or a call that goes out again as it came in.
TEST(codec, damaged_bytes_do_no_harm) {
  google::protobuf::SetLogHandler(nullptr);
  random_calls calls(announced_seed(3));
  decoded_call decoded;
  decoded_call again;
  for (int i = 0; i < 50000; ++i) {
    std::string bytes = bytes_of(calls.any());
    for (u64 changes = calls.below(4); !bytes.empty() && changes > 0; --changes) {
      const u64 at = calls.below(bytes.size());
      switch (calls.below(3)) {
        case 0: bytes[at] = static_cast<char>(calls.below(256)); break;
        case 1: bytes.resize(at); break;
        default: bytes += bytes.substr(at); break;
      }
    }
    wire::hypercall message;
    if (!message.ParseFromString(bytes) || !decoded.decode(message)) continue;
    ASSERT_TRUE(decode_bytes(bytes_of(decoded.call()), again));
    ASSERT_TRUE(same(decoded.call(), again.call())) << "call " << i;
  }
}

}  // namespace
}  // namespace pvmmu
