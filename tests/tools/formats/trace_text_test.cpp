#include "tools/formats/trace_text.h"

#include <gtest/gtest.h>

#include "proto/abi/hypercall.h"

namespace pvmmu::tools {
namespace {

using namespace guest::trace;

/// As in the boot that the lines below are from: 16 GiB of machine, with dom0's frames behind its first 768 MiB.
std::optional<pfn_t> mfn_to_pfn(mfn_t mfn) {
  return mfn.n >= 0x30000 ? std::optional(pfn_t{mfn.n - 0x30000}) : std::nullopt;
}

std::string text(const guest::trace::event& e) { return trace_text(e, mfn_to_pfn); }

// The words are those of Linux 6.1's tracefs (tests/fidelity/traces/6.1: move_8m, mprotect).
TEST(trace_text, events_read_as_in_tracefs) {
  EXPECT_EQ(text(xen_mmu_set_pte{0xffff8880076af000, 0x80000000329d6867}),
            "xen_mmu_set_pte: ptep ffff8880076af000 pteval 80000000029d6867 (raw 80000000329d6867)");
  EXPECT_EQ(text(xen_mc_entry{HYPERVISOR_update_va_mapping, {0xffff8880076ad000, 0x80000000376ad061}}),
            "xen_mc_entry: op 14(update_va_mapping) args [ffff8880076ad000, 80000000376ad061, 0, 0, 0, 0]");
  EXPECT_EQ(text(xen_mc_extend_args{HYPERVISOR_mmu_update, 16, extend_result::no_space}),
            "xen_mc_extend_args: extending op 1(mmu_update) by 16 bytes res NO_SPACE");
  EXPECT_EQ(text(xen_mc_callback{callback_function::set_current_cr3, 0x2a10000}),
            "xen_mc_callback: callback set_current_cr3, data 0000000002a10000");
  EXPECT_EQ(text(xen_mmu_release_ptpage{{0x76ac}, pt_level::pte, false}),
            "xen_mmu_release_ptpage: pfn 76ac  level 4  unpinned");
  EXPECT_EQ(text(xen_mmu_write_cr3{false, 0}), "xen_mmu_write_cr3: user cr3 0");
}

// Linux takes set_p4d's entry, which has its own frame number, for a raw one: a number that is no machine frame of the
// domain's loses its frame and its present bit.
TEST(trace_text, set_p4d_is_translated_twice) {
  EXPECT_EQ(text(xen_mmu_set_p4d{0xffff888006574100, 0xffff8880076a6100, 0x376ad067}),
            "xen_mmu_set_p4d: p4dp ffff888006574100 user_p4dp ffff8880076a6100 p4dval 0000000000000066 "
            "(raw 00000000076ad067)");
}

// PROT_NONE's entries hold the kernel's own number, inverted: there is nothing to translate.
TEST(trace_text, an_entry_that_is_not_present_stays_as_it_is) {
  EXPECT_EQ(text(xen_mmu_set_pte{0xffff8880076c7000, 0x000ffffffcfac960}),
            "xen_mmu_set_pte: ptep ffff8880076c7000 pteval 000ffffffcfac960 (raw 000ffffffcfac960)");
}

}  // namespace
}  // namespace pvmmu::tools
