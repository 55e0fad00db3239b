#include "tools/why/rules.h"

#include <algorithm>
#include <array>

#include "proto/abi/errno.h"

namespace pvmmu::tools {
namespace {

constexpr std::string_view mm_c = "arch/x86/mm.c";
constexpr std::string_view mm_h = "arch/x86/include/asm/mm.h";
constexpr std::string_view shadow_h = "arch/x86/include/asm/shadow.h";
constexpr std::string_view ro_page_fault_c = "arch/x86/pv/ro-page-fault.c";
constexpr std::string_view descriptor_tables_c = "arch/x86/pv/descriptor-tables.c";
constexpr std::string_view page_alloc_c = "common/page_alloc.c";
constexpr std::string_view memory_c = "common/memory.c";
constexpr std::string_view multicall_c = "common/multicall.c";

// Some rules are kept at more than one place.
constexpr std::string_view l1_flags =
    "An L1 entry may have the PWT, PCD and PAT bits only if its domain may map devices; under a debug build of Xen it "
    "may not have bit 62, which marks mapped grants.";
constexpr std::string_view l1_flags_accepted = "the same entry without these bits";
constexpr std::string_view upper_flags =
    "An L2, L3 or L4 entry names a table: PWT, PCD, PSE (no superpages for PV guests) and G must be clear.";
constexpr std::string_view upper_flags_accepted = "the same entry without these bits; a superpage as a table of pages";
constexpr std::string_view linear_writable =
    "A table may hold a table of its own level (a linear page table), but only read-only: through a writable one the "
    "guest could write to its own entries.";
constexpr std::string_view linear_writable_accepted =
    "an entry without RW; or, if no linear one was meant, a table of one level less";
constexpr std::string_view foreign_tables =
    "Upper entries hold tables, and a table belongs to the same domain as what it hangs in; foreigndom may name "
    "another "
    "domain for L1 entries alone.";
constexpr std::string_view foreign_tables_accepted = "foreigndom DOMID_SELF";
constexpr std::string_view copied_frames = "Xen writes only to memory of the domain that nobody uses as anything else.";
constexpr std::string_view copied_frames_accepted = "a frame of the domain's that is writable or of no type in use";

constexpr auto rules = std::to_array<refusal_rule>({
    // flags and slots
    {mm_c, 877, l1_flags, l1_flags_accepted},
    {mm_c, 2160, l1_flags, l1_flags_accepted},
    {mm_c, 1134, upper_flags, upper_flags_accepted},
    {mm_c, 1157, upper_flags, upper_flags_accepted},
    {mm_c, 1181, upper_flags, upper_flags_accepted},
    {mm_c, 2276, upper_flags, upper_flags_accepted},
    {mm_c, 2338, upper_flags, upper_flags_accepted},
    {mm_c, 2400, upper_flags, upper_flags_accepted},
    {mm_c, 2389, "Slots 256 to 271 of every L4 are Xen's own.", "any other slot"},
    {shadow_h, 216,
     "An entry that is not present must not have an address below 1 TiB: a processor with the L1TF flaw would read "
     "what lies there ahead of the fault. Whoever writes one is crashed.",
     "0, or an address with its bits inverted"},
    // whose frame it is
    {mm_c, 2561, "Who asks for a frame must own it, and it must be in use.",
     "a frame of the domain's; foreigndom for one of another domain's, which takes a privileged caller"},
    {mm_c, 988,
     "An entry may map frames of its own domain; those of another one take a privileged caller that says so.",
     "a frame of the domain's own, or a grant"},
    {mm_h, 414, "A frame number must be one of the machine's memory.", "a frame that exists"},
    {mm_c, 901, "What is no memory is a device's, and only who was given it may map it.", "a frame of memory"},
    {mm_c, 914, "A device's space may be mapped only if both domains were given it.", "a frame of memory"},
    {mm_c, 899, "An address of all ones is how guests write \"no frame\": there is nothing to map.",
     "an entry that is not present"},
    {mm_c, 1023, "What Xen shares with guests is mapped write-back: other caching would be seen by Xen, too.",
     "the entry without PWT, PCD and PAT"},
    // types
    {mm_c, 2940,
     "A frame has one type at a time. While anybody holds a reference to it as one thing, nobody gets it as another: "
     "so what the processor walks as a page table is never writable for the guest.",
     "the same, once the holders of the other type are gone: unmap it or map it read-only to make a table of it; take "
     "it "
     "out of all tables and unpin it to write to it"},
    {mm_c, 2899, "A type count that would overflow is refused.", "fewer references"},
    {mm_c, 1124, linear_writable, linear_writable_accepted},
    {mm_c, 1148, linear_writable, linear_writable_accepted},
    {mm_c, 1172, linear_writable, linear_writable_accepted},
    {mm_c, 707, "A linear entry stands in a table of the domain that asks.", "a table of its own"},
    {mm_c, 722, "A table with linear entries may not be one itself: chains would never be taken down.",
     "an entry to a table that has no linear entries, in a table that is none"},
    {mm_c, 736, "A linear entry names a table that is validated already.", "pin the table first"},
    // calls
    {mm_c, 3588, "A table is pinned once: the pin is a bit, not a count.", "unpin it first, or leave it pinned"},
    {mm_c, 3642, "Only what is pinned can be unpinned.", "nothing: there is no pin to take back"},
    {mm_c, 3632, "Who unpins a frame must own it.", "a frame of the domain's"},
    {mm_c, 3837, "An LDT begins with a page, at an address of the guest's, and has at most 8192 entries.",
     "a page-aligned address that is canonical and not Xen's"},
    {mm_c, 3865, copied_frames, copied_frames_accepted},
    {mm_c, 3913, copied_frames, copied_frames_accepted},
    {mm_c, 3892, "Xen reads only memory of the domain.", "a frame of the domain's"},
    {mm_c, 4140, foreign_tables, foreign_tables_accepted},
    {mm_c, 4149, foreign_tables, foreign_tables_accepted},
    {mm_c, 4158, foreign_tables, foreign_tables_accepted},
    {mm_c, 4132,
     "mmu_update writes page tables and writable memory; what is in use as a descriptor page or as shared "
     "is neither.",
     "update_descriptor for descriptors; or the frame once it is used so no more"},
    {mm_c, 4038, "The domain whose tables are to be written must have a vCPU.", "a domain that runs"},
    {mm_c, 4483,
     "update_va_mapping changes the L1 entry of an address: the tables that the kernel runs on must lead to "
     "that L1.",
     "an L1 hung into the tables first; or mmu_update with the entry's machine address"},
    {mm_c, 4494,
     "What the tables lead to must be a validated L1: an L2 entry can name another L2, as a linear page "
     "table.",
     "an address whose last table is an L1"},
    {page_alloc_c, 2671, "A domain names itself as DOMID_SELF, never by its number.", "DOMID_SELF"},
    {page_alloc_c, 2687, "foreigndom must be a domain that exists.", "a domain's number"},
    {multicall_c, 47, "A multicall holds no multicall.", "the inner calls as entries of the outer one"},
    // descriptors
    {descriptor_tables_c, 93, "A GDT has at most 14 pages: the entries behind are Xen's.", "up to 7168 entries"},
    {descriptor_tables_c, 299, "All 512 descriptors of a page must be harmless before it becomes one of a GDT or LDT.",
     "segments of ring 3, call gates into the guest's own segments; others not present"},
    {descriptor_tables_c, 312, "A descriptor stands at a multiple of 8 bytes, and must be harmless.",
     "segments of ring 3, call gates into the guest's own segments"},
    // memory
    {page_alloc_c, 2377, "A domain has no more memory than it may have.", "fewer frames, or give some back first"},
    {memory_c, 135, "There is no more memory, or not where it is asked for.", "fewer or smaller extents"},
    {memory_c, 277, "There is no more memory, or not where it is asked for.", "fewer or smaller extents"},
    {memory_c, 370, "A frame that is given back must be one.", "a frame of the domain's"},
    {memory_c, 404, "A frame that is given back must be the domain's.", "a frame of the domain's"},
    {mm_c, 4454, "A frame can be exchanged only if nobody but its owner holds it.",
     "the same, once it is unmapped everywhere and no table"},
    // stores that Xen emulates
    {ro_page_fault_c, 100, "A store to a page table that Xen is to emulate is aligned to its size.",
     "a store of 8 bytes to the entry"},
});

// They come behind a refusal, and say on what it was asked for.
constexpr unsigned passing_on[] = {1014, 1040, 1366, 1474, 1593, 1784, 2649, 3346, 3576, 3708, 4114, 4238};

struct error_rule {
  xen_errno error;
  std::string_view rule, accepted;
};

constexpr error_rule error_rules[] = {
    {xen_errno::enosys, "There is no such call or command.", "one that Xen 4.17 has"},
    {xen_errno::eperm, "The caller has not the right to do this to that domain.",
     "to do it to itself, or from a privileged domain"},
    {xen_errno::esrch, "The domain that it names does not exist.", "DOMID_SELF, or a domain that exists"},
    {xen_errno::efault, "What the call points to cannot be read or written, as far as its count says.",
     "as many entries as it says, where the guest can reach them"},
    {xen_errno::eacces, "The caller may not do this, as it was given no device.", "nothing from this domain"},
    {xen_errno::eopnotsupp, "This is not done for a PV guest.", "nothing of the kind"},
    {xen_errno::enoent, "The vCPU that it names does not exist.", "a vCPU of the domain"},
    {xen_errno::eexist, "It has been done already.", "nothing: it is done"},
    {xen_errno::ebusy, "It is in use.", "the same once it is free"},
    {xen_errno::enomem, "There is not enough memory.", "less"},
    {xen_errno::einval, "An argument is out of its range.", "one that is in it"},
};

}  // namespace

const refusal_rule* rule_at(const xen::message_site& site) {
  const auto* const found =
      std::ranges::find_if(rules, [&](const refusal_rule& r) { return r.file == site.file && r.line == site.line; });
  return found == rules.end() ? nullptr : found;
}

bool passes_on(const xen::message_site& site) {
  if (site.file == ro_page_fault_c) return site.line == 163;
  return site.file == mm_c && std::ranges::count(passing_on, site.line) != 0;
}

refusal_rule rule_of_error(long result) {
  for (const error_rule& r : error_rules)
    if (to_result(r.error) == result) return {{}, 0, r.rule, r.accepted};
  return {{}, 0, "Xen refuses it.", ""};
}

}  // namespace pvmmu::tools
