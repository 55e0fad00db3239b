// Programs and results as bytes: what cannot be said is refused, and what is no result is not taken for one.

#include "tools/lab/encode.h"

#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>

#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

// Limits of the format are errors, not cut lists.
TEST(encode, refuses_what_the_format_cannot_say) {
  const program frames{.nr_frames = probe::max_frames + 1};
  EXPECT_THROW(encode(std::span{&frames, 1}), std::invalid_argument);
  const program list{.calls = {mmu_update{.ureqs = std::vector<mmu_update_entry>(1025), .count = 1025}}};
  EXPECT_THROW(encode(std::span{&list, 1}), std::invalid_argument);
  const std::vector<simple_call> many(50, mmuext_op{.uops = {{}}, .count = 1});
  const program lists{.calls = {multicall{.entries = many, .nr_calls = 50}}};
  EXPECT_THROW(encode(std::span{&lists, 1}), std::invalid_argument);
}

// An entry's own list of a multicall lies behind the multicall's list, and its pointer leads there.
TEST(encode, points_from_a_multicall_to_its_entries_lists) {
  const program p{
      .calls = {multicall{.entries = {vm_assist{}, mmuext_op{.uops = {{.cmd = 3}}, .count = 1}}, .nr_calls = 2}}};
  const std::vector<u8> bytes = encode(std::span{&p, 1});
  const u8* at = bytes.data() + sizeof(probe::module_header) + sizeof(probe::program_header);
  probe::call_header call;
  std::memcpy(&call, at, sizeof call);
  EXPECT_EQ(call.op, HYPERVISOR_multicall);
  EXPECT_EQ(call.nr_blobs, 2u);
  word pointer;  // the second entry's first argument: word 8 + 2 of the first blob
  std::memcpy(&pointer, at + sizeof call + sizeof(probe::blob_header) + 10 * sizeof(word), sizeof pointer);
  EXPECT_EQ(pointer.kind, word_kind::blob);
  EXPECT_EQ(pointer.index, 1u);
}

// Memory in which the probe has left nothing, or half of it, gives an error.
TEST(decode, refuses_what_are_no_results) {
  const std::vector<program> programs(1);
  const std::vector<u8> nothing(4096);
  EXPECT_THROW(decode(programs, nothing), lab_error);
  std::vector<u8> half(sizeof(probe::results_header));
  const probe::results_header header{.nr_programs = 1, .nr_begun = 1};
  std::memcpy(half.data(), &header, sizeof header);
  EXPECT_THROW(decode(programs, half), lab_error);
  EXPECT_THROW(decode(programs, std::span{half}.first(8)), lab_error);
}

// Programs that were not begun have no answers.
TEST(decode, knows_what_was_not_run) {
  std::vector<u8> bytes(sizeof(probe::results_header));
  const probe::results_header header;
  std::memcpy(bytes.data(), &header, sizeof header);
  const auto answers = decode(std::vector<program>(2), bytes);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[1].how, program_answer::state::not_run);
}

}  // namespace
}  // namespace pvmmu::lab
