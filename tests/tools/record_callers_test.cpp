// Who called: told from a stack and the code that its words point into.

#include "tools/record_callers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/lab/heard_stream.h"

namespace pvmmu::tools {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr u64 text = 0xffffffff81000000;
constexpr u64 stack_va = 0xffffc90000003f00;

/// A page of code in which functions of 0x100 bytes call each other.
class record_callers : public testing::Test {
 protected:
  static constexpr u64 stub = text;           // xen_hypercall_mmu_update
  static constexpr u64 inner = text + 0x100;  // xen_mc_flush
  static constexpr u64 tail = text + 0x200;   // xen_set_pmd: ends with a jump to inner
  static constexpr u64 outer = text + 0x300;  // move_page_tables.part.0
  static constexpr u64 other = text + 0x400;  // unrelated

  /// A call at `from`; its return address.
  u64 call(u64 from, u64 to) { return branch(0xe8, from, to); }
  void jump(u64 from, u64 to) { branch(0xe9, from, to); }
  u64 indirect_call(u64 from) {
    code_bytes_[from - text] = 0xff;
    code_bytes_[from - text + 1] = 0xd0;  // *%rax
    return from + 2;
  }

  std::vector<std::string> callers(u64 rip, const std::vector<u64>& stack) {
    lab::kernel_code code;
    code.add_page(text, code_bytes_);
    const std::vector<std::string> lines{"ffffffff81000000 T xen_hypercall_mmu_update",
                                         "ffffffff81000100 t xen_mc_flush",
                                         "ffffffff81000200 t xen_set_pmd",
                                         "ffffffff81000300 t move_page_tables.part.0",
                                         "ffffffff81000400 T unrelated",
                                         "ffffffff81000480 D data"};
    std::vector<u8> words;
    for (const u64 word : stack) {
      const auto bytes = lab::bytes_of(word);
      words.insert(words.end(), bytes.begin(), bytes.end());
    }
    lab::heard_stream stream;
    stream.entry_at(rip, stack_va, lab::heard::handler::mmu_update, {{stack_va, words}});
    const auto event = lab::event_stream{stream.bytes()}.next();
    return caller_finder{lab::kernel_symbols{lines}, code}(std::get<lab::heard_entry>(*event));
  }

 private:
  u64 branch(u8 opcode, u64 from, u64 to) {
    const auto distance = lab::bytes_of(static_cast<u32>(to - (from + 5)));
    code_bytes_[from - text] = opcode;
    std::ranges::copy(distance, code_bytes_.begin() + static_cast<long>(from - text + 1));
    return from + 5;
  }
  std::array<u8, PAGE_SIZE> code_bytes_{};
};

// Each return address belongs to the function that called the one before; the stub into Xen is none of them, and what
// the compiler added to a name is left out.
TEST_F(record_callers, a_chain_of_calls) {
  const u64 in_inner = call(inner + 0x10, stub);
  const u64 in_outer = call(outer + 0x20, inner);
  EXPECT_THAT(callers(stub + 10, {1, 2, in_inner, 3, in_outer, 4}), ElementsAre("xen_mc_flush", "move_page_tables"));
}

// A return address that lies on the stack from earlier does not lead to the inner function: it is passed over.
TEST_F(record_callers, a_stale_return_address) {
  const u64 in_inner = call(inner + 0x10, stub);
  const u64 stale = call(other + 0x30, other);
  const u64 in_outer = call(outer + 0x20, inner);
  EXPECT_THAT(callers(stub + 10, {in_inner, stale, in_outer}), ElementsAre("xen_mc_flush", "move_page_tables"));
}

// A function that jumps to its last call leaves no return address, but is part of the chain.
TEST_F(record_callers, a_call_in_the_last_line) {
  const u64 in_inner = call(inner + 0x10, stub);
  jump(tail + 0x40, inner);
  const u64 in_outer = call(outer + 0x20, tail);
  EXPECT_THAT(callers(stub + 10, {in_inner, in_outer}), ElementsAre("xen_mc_flush", "xen_set_pmd", "move_page_tables"));
}

// A call through a pointer may lead anywhere: it counts where no call by name does.
TEST_F(record_callers, a_call_through_a_pointer) {
  const u64 in_inner = call(inner + 0x10, stub);
  const u64 through_pointer = indirect_call(other + 0x50);
  EXPECT_THAT(callers(stub + 10, {in_inner, through_pointer}), ElementsAre("xen_mc_flush", "unrelated"));
  const u64 in_outer = call(outer + 0x20, inner);
  EXPECT_THAT(callers(stub + 10, {in_inner, through_pointer, in_outer}),
              ElementsAre("xen_mc_flush", "move_page_tables"));
}

// An emulated write happens in the function itself.
TEST_F(record_callers, a_write) {
  EXPECT_THAT(callers(outer + 0x33, {call(other + 0x30, outer)}), ElementsAre("move_page_tables", "unrelated"));
}

// Where the guest was in no function that is known, nobody is named.
TEST_F(record_callers, nothing_is_known) { EXPECT_THAT(callers(text - 0x1000, {1, 2, 3}), IsEmpty()); }

}  // namespace
}  // namespace pvmmu::tools
