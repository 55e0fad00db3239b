#include <array>

#include "tests/conformance/mutants/mutant.h"

namespace pvmmu::conform {
namespace {

constexpr std::array all{
    // ---- what an L1 entry may lead to
    mutant{"rw_of_a_table", "a table cannot be mapped writable (1012)", "entry_ref.cpp",
           "if (write && !get_page_type(m, pg, PGT_writable_page)) {",
           "if (write && table_level(pg.type_info) == 0 && !get_page_type(m, pg, PGT_writable_page)) {"},
    mutant{"owner", "only the frames of the domain that is named can be mapped (985)", "entry_ref.cpp",
           "real_owner && (real_owner == &pg_owner ||", "real_owner && (true || real_owner == &pg_owner ||"},
    mutant{"mmio_rights", "I/O memory needs the right to it (897)", "entry_ref.cpp",
           "if (!mmio_owner.iomem_access_permitted(mfn)) {", "if (false) {"},
    mutant{"mmio_uncached", "I/O memory that is mapped write-back becomes uncached (965)", "entry_ref.cpp",
           "case 0: return flip | PAGE_PWT | PAGE_PCD;", "case 0: return flip;"},
    mutant{"non_coherent", "a write-combined mapping is remembered in the type (1033)", "entry_ref.cpp",
           "if (write && (l1e & cache_attributes) == write_combining)", "if (false)"},
    mutant{"adjust_l1", "an L1 entry without the user bit becomes the guest kernel's (pv/mm.h:101)", "entry_ref.cpp",
           "if (!(e & PAGE_USER)) e |= PAGE_GUEST_KERNEL | PAGE_USER;", ""},

    // ---- what an upper entry may lead to
    mutant{"pse", "no table entry is a superpage (176, XSA-148)", "entry_ref.cpp",
           "return e & (PAGE_PWT | PAGE_PCD | PAGE_PSE | PAGE_GLOBAL);",
           "return e & (PAGE_PWT | PAGE_PCD | PAGE_GLOBAL);"},
    mutant{"adjust_l4", "an L4 entry becomes accessed (pv/mm.h:157)", "entry_ref.cpp",
           "(level == 4 ? PAGE_ACCESSED : 0)", "0"},
    mutant{"linear_rw", "a linear page table is read-only (695)", "linear_pt.cpp", "if (e & PAGE_RW) {",
           "if (false) {"},
    mutant{"linear_self", "an entry that leads to its own table takes no reference (702)", "linear_pt.cpp",
           "if (mfn == table_mfn) return true;", ""},
    mutant{"linear_depth", "a table that is a linear one has no linear entries itself (610, XSA-240)", "linear_pt.cpp",
           "if (count < 0 || count == std::numeric_limits<s16>::max()) return false;",
           "if (count == std::numeric_limits<s16>::max()) return false;"},
    mutant{"xen_slots", "a guest does not write Xen's slots of an L4 (2387)", "mod_entry.cpp",
           "if (level == 4 && !is_guest_l4_slot(slot)) {", "if (false) {"},

    // ---- validation
    mutant{"l1_undone", "an L1 that fails gives back what it has taken (1370)", "validate.cpp",
           "while (slot-- > 0) put_page_from_l1e(m, entries[slot]);", ""},
    mutant{"failed_l1_type", "a table that fails at once has no type (2656)", "page_type.cpp",
           "m.set_type_info(pg, 0);", "m.set_type_info(pg, pg.type_info & ~PGT_count_mask);"},
    mutant{"partial_residue", "a table that fails halfway is taken down up to there (1494)", "validate.cpp",
           "if (slot > 0) {\n    // A table below", "if (false) {\n    // A table below"},
    mutant{"partial_reference", "a partial table owns a general reference (2662)", "page_type.cpp",
           "  } else {\n    get_page_light(m, pg);\n    m.set_type_info(pg, pg.type_info | PGT_partial);\n  }\n  "
           "return o;\n"
           "}\n\n/// On a change of type",
           "  } else {\n    m.set_type_info(pg, pg.type_info | PGT_partial);\n  }\n  return o;\n"
           "}\n\n/// On a change of type"},
    mutant{"partial_child", "a table that fails over a partial one below owns that one (1615, XSA-299)", "validate.cpp",
           "pg.set_progress(slot, partial_set || child_waits);", "pg.set_progress(slot, partial_set);"},
    mutant{"m2p_strict", "validation leaves slot 256 empty without m2p_strict (1829)", "validate.cpp",
           "if (slot == 256 && !d.has_assist(VMASST_TYPE_m2p_strict)) e = 0;", ""},

    // ---- mmu_update
    mutant{"fast_path_flags", "the writable bit is no mere flag (2126, XSA-182)", "mod_entry.cpp",
           "PAGE_GLOBAL | PAGE_DIRTY | PAGE_ACCESSED | PAGE_USER;",
           "PAGE_GLOBAL | PAGE_DIRTY | PAGE_ACCESSED | PAGE_USER | PAGE_RW;"},
    mutant{"preserve_ad", "PRESERVE_AD keeps the accessed and dirty bits (2147)", "mod_entry.cpp",
           "if (ad == accessed_dirty::preserve)", "if (false)"},
    mutant{"deferred_put", "a table that an entry no longer leads to is dropped (3173)", "page_type.cpp",
           "const outcome o = put_page_type_flags(m, *v.old_guest_table, flags, v.old_guest_ptpg);",
           "const outcome o = v.old_guest_table_partial || v.old_guest_ptpg == nullptr\n"
           "                        ? put_page_type_flags(m, *v.old_guest_table, flags, v.old_guest_ptpg)\n"
           "                        : outcome{};"},
    mutant{"one_owner", "an upper entry leads to a table of the same domain (4140)", "mmu_update.cpp",
           "if (&p.pg_owner != &p.pt_owner) {", "if (false) {"},
    mutant{"count_0_raw_write", "a frame that nothing uses as anything is written raw (4198)", "mmu_update.cpp",
           "} else if (get_page_type(m, *pg, PGT_writable_page)) {",
           "} else if (pg->type_count() != 0 && get_page_type(m, *pg, PGT_writable_page)) {"},
    mutant{"done_after_failure", "done tells how many entries came before the one that failed (4351)", "mmu_update.cpp",
           "write_done(call.pdone, start.done + i);", "if (o) write_done(call.pdone, start.done + i);"},

    // ---- mmuext_op
    mutant{"pin_twice", "what is pinned cannot be pinned (3584)", "mmuext_op.cpp",
           "if (!(pg->type_info & PGT_pinned)) {\n    m.set_type_info", "if (true) {\n    m.set_type_info"},
    mutant{"user_table", "the user table before is dropped (3724)", "cr3.cpp",
           "curr.guest_table_user = mfn;\n  m.notify(event_kind::cr3_user, curr.id, mfn, old.n, mfn.n);\n"
           "  return drop_l4(m, curr, old);",
           "curr.guest_table_user = mfn;\n  return {};"},

    // ---- grants
    mutant{"grant_unmap_match", "an unmap wants the entry as writable as it was mapped (pv/grant_table.c:290, XSA-234)",
           "grant_mapping.cpp", "if (pte_mfn(was) != frame || ((was ^ expected) & (PAGE_PRESENT | PAGE_RW)) != 0)",
           "if (pte_mfn(was) != frame || ((was ^ expected) & PAGE_PRESENT) != 0)"},
    mutant{"grant_alignment", "a grant is mapped by a whole entry (pv/grant_table.c:68, XSA-227)", "grant_mapping.cpp",
           "if (addr % sizeof(pte_t) != 0) return std::nullopt;", ""},
    mutant{"grant_device_kept",
           "unmapping for the host alone leaves the device's references (common/grant_table.c:1502, XSA-224)",
           "grant_table.cpp", "if (u.done != 0) u.done |= flags & GNTMAP_readonly;",
           "if (u.done != 0) u.done |= flags & (GNTMAP_readonly | GNTMAP_device_map);"},
    mutant{"grant_device_type", "a writable mapping for devices holds the type (common/grant_table.c:1169, XSA-224)",
           "grant_table.cpp", "if (device && !readonly && !taken.take_type(m, pg)) return GNTST_general_error;", ""},
    mutant{"grant_over_an_entry", "a grant mapped over an entry drops what that held (pv/grant_table.c:132)",
           "grant_mapping.cpp", "put_page_from_l1e(m, *old);", ""},
    mutant{"grant_status", "a grant that nothing maps any more is not marked as read (common/grant_table.c:932)",
           "grant_table.cpp", "u64 clear = pin == 0 ? GTF_reading : 0;", "u64 clear = 0;"},

    // ---- memory_op
    mutant{"steal_count", "a frame is exchanged only while nothing refers to it (4404)", "memory_exchange.cpp",
           "(pg.count_info & state) != (PGC_allocated | 1)) {", "!(pg.count_info & PGC_allocated)) {"},
    mutant{"steal_owner", "only the domain's own frames are exchanged (4392)", "memory_exchange.cpp",
           "pg.ref_count() != 0 && pg.owner == d_->owner();", "pg.ref_count() != 0;"},
    mutant{"exchange_undone", "a chunk that fails is given back as far as it was taken (common/memory.c:825)",
           "memory_exchange.cpp", "  undo();\n  return o;", "  return o;"},
    mutant{"exchange_done", "nr_exchanged tells how many came before the one that failed (common/memory.c:836)",
           "memory_exchange.cpp", "e_.nr_exchanged = chunk << in_chunk_order();\n      return to_result(o);",
           "return to_result(o);"},
    mutant{"exchange_order", "an exchange of too large an order is forbidden, not wrong (common/memory.c:565)",
           "memory_exchange.cpp", "if (std::max(in_order_, out_order_) > max_order(*curr_.dom))", "if (false)"},
    mutant{"decrease_once", "the allocation's reference is dropped once (common/memory.c:435)", "memory_op.cpp",
           "  if (pg.count_info & PGC_allocated) {\n    m.set_count_info", "  {\n    m.set_count_info"},
    mutant{"decrease_pin", "a frame that is given back stays pinned (common/memory.c:435, XSA-252)", "memory_op.cpp",
           "  if (pg.count_info & PGC_allocated) {\n    m.set_count_info",
           "  if (pg.type_info & PGT_pinned) {\n    m.set_type_info(pg, pg.type_info & ~PGT_pinned);\n"
           "    put_page_and_type(m, pg);\n  }\n  if (pg.count_info & PGC_allocated) {\n    m.set_count_info"},
    mutant{"decrease_owner", "only the domain's own frames are given back (common/memory.c:398)", "memory_op.cpp",
           "if (!get_page(m, pg, d)) {", "if (!page_get_owner_and_reference(m, pg)) {"},

    // ---- the LDT
    mutant{"ldt_type", "a page of the LDT is one of descriptors (pv/mm.c:94)", "ldt.cpp",
           "if (!get_page_type(m, *pg, PGT_seg_desc_page)) {", "if (!get_page_type(m, *pg, PGT_writable_page)) {"},
    mutant{"ldt_set", "another LDT gives the pages of the one before back (3844)", "ldt.cpp",
           "if (pv_destroy_ldt(m, curr)) m.flush_tlb(*curr.dom, u64{1} << curr.id, flush_reason::guest);", ""},
    mutant{"ldt_root", "another root gives the LDT's pages back (3352)", "cr3.cpp", "pv_destroy_ldt(m, curr);", ""},

    // ---- the others
    mutant{"multicall_after_iret", "a multicall ends with an iret (common/multicall.c, XSA-213)", "multicall.cpp",
           "if (std::holds_alternative<iret_call>(entry.call)) return piece_end::left;", ""},
    mutant{"uva_mask", "a mask that cannot be read is an error after the change (4561)", "update_va_mapping.cpp",
           "if (!vcpus) return to_result(xen_errno::efault);", "if (!vcpus) return 0;"},
    mutant{"seg_desc_hold", "descriptors in use are not written as memory (4133)", "mmu_update.cpp",
           "if (!same_type(pg.type_info, PGT_writable_page)) {", "if (false) {"},
    mutant{"seg_desc_kept", "a frame of descriptors stays one at count 0 (pv/descriptor-tables.c:324)",
           "descriptors.cpp", "same_type(pg->type_info, PGT_seg_desc_page) ? PGT_seg_desc_page : PGT_writable_page;",
           "PGT_writable_page;"},
    mutant{"emulated_compare", "an exchange that finds another value writes nothing (x86_emulate/x86_emulate.c:8438)",
           "guest_access.cpp", "? value == low_bytes(r.expected, r.bytes)", "? true"},
    mutant{"emulated_bytes", "an emulated store leaves the entry's other bytes (pv/ro-page-fault.c:124)",
           "ro_page_fault.cpp", "return (entry & ~mask) | ((bytes << shift) & mask);",
           "return mask == ~u64{0} ? bytes : (bytes << shift) & mask;"},
};

}  // namespace

std::span<const mutant> mutants() { return all; }

}  // namespace pvmmu::conform
