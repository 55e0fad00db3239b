#include "hypervisor-model/messages.h"

namespace pvmmu::xen::messages {
namespace {

constexpr std::string_view mm_c = "arch/x86/mm.c";
constexpr std::string_view pv_mm_h = "arch/x86/pv/mm.h";
constexpr std::string_view ro_page_fault_c = "arch/x86/pv/ro-page-fault.c";
constexpr std::string_view page_alloc_c = "common/page_alloc.c";
constexpr std::string_view shadow_h = "arch/x86/include/asm/shadow.h";
constexpr std::string_view memory_c = "common/memory.c";
constexpr std::string_view multicall_c = "common/multicall.c";

/// %pd
std::string name(const domain* d) {
  if (!d) return "NULL";
  if (d->domid == DOMID_IO) return "d[IO]";
  if (d->domid == DOMID_XEN) return "d[XEN]";
  return fmt::format("d{}", d->domid);
}

struct frame_text {
  u64 mfn;
  u64 pfn;
};
frame_text frame_of(const machine& m, const page_info& pg) {
  const mfn_t mfn = m.mfn_of(pg);
  return {mfn.n, m.gpfn_from_mfn(mfn)};
}

}  // namespace

void get_page_failed(machine& m, const page_info& pg, const domain& d, const domain* owner) {
  m.gprintk("Error mfn {:05x}: rd={} od={} caf={:08x} taf={:016x}", m.mfn_of(pg).n, name(&d), name(owner),
            pg.count_info - (owner ? 1 : 0), pg.type_info);
  m.unsaid({mm_c, 2561}, "mfn {:05x} of {} is not {}'s", m.mfn_of(pg).n, name(owner), name(&d));
}

void l1tf_crash(machine& m, const domain& d, unsigned level, pte_t e) {
  m.printk("d{} L1TF-vulnerable L{}e {:016x} - Crashing", d.domid, level, e);
  m.unsaid({shadow_h, 216}, "L{} entry {:016x} of d{} is not present, but has an address", level, e, d.domid);
}

void bad_flags(machine& m, unsigned level, u64 flags, asked_by who) {
  static constexpr unsigned get_lines[] = {877, 1134, 1157, 1181};
  static constexpr unsigned mod_lines[] = {2160, 2276, 2338, 2400};
  const unsigned line = (who == asked_by::get_page ? get_lines : mod_lines)[level - 1];
  m.gdprintk({mm_c, line}, "Bad L{} flags {:x}", level, pte_flags(flags));
}

void xen_private_slot(machine& m, unsigned level, unsigned slot) {
  m.gdprintk({mm_c, 2389}, "L{} update in Xen-private area, slot {:#x}", level, slot);
}

void global_in_kernel(machine& m, pte_t l1e) {
  m.gdprintk({pv_mm_h, 98}, "Global bit is set in kernel page {:x}", pte_mfn(l1e).n);
}

void wrong_owner(machine& m, const domain& pg_owner, const domain& l1e_owner, const domain* real_owner) {
  m.gdprintk({mm_c, 988}, "pg_owner d{} l1e_owner d{}, but real_pg_owner d{}", pg_owner.domid, l1e_owner.domid,
             real_owner ? int{real_owner->domid} : -1);
}

void could_not_get_writable(machine& m) { m.gdprintk({mm_c, 1014}, "Could not get page type PGT_writable_page"); }

void cache_attributes_of_xen_heap(machine& m) {
  m.gdprintk({mm_c, 1023}, "Attempt to change cache attributes of Xen heap page");
}

void error_getting_mfn(machine& m, pte_t l1e, const domain& l1e_owner, const domain& pg_owner) {
  const mfn_t mfn = pte_mfn(l1e);
  m.gdprintk({mm_c, 1040},
             "Error getting mfn {:05x} (pfn {:05x}) from L1 entry {:016x} for l1e_owner d{}, pg_owner d{}", mfn.n,
             m.gpfn_from_mfn(mfn), l1e, l1e_owner.domid, pg_owner.domid);
}

void unprivileged_mmio(machine& m, const domain& d, mfn_t mfn) {
  m.gdprintk({mm_c, 901}, "d{} non-privileged attempt to map MMIO space {:05x}", d.domid, mfn.n);
}

void foreign_mmio(machine& m, const domain& caller, mfn_t mfn, const domain& from, const domain& to) {
  m.gdprintk({mm_c, 914}, "d{} attempted to map MMIO space {:05x} in d{} to d{}", caller.domid, mfn.n, from.domid,
             to.domid);
}

void forcing_read_only(machine& m, const domain& d, mfn_t mfn) {
  if (m.config().debug_build) m.printk("d{}: Forcing read-only access to MFN {:x}", d.domid, mfn.n);
}

void linear_with_write_perms(machine& m, unsigned level) {
  static constexpr unsigned lines[] = {1124, 1148, 1172};  // define_get_linear_pagetable(l2), (l3), (l4)
  m.gdprintk({mm_c, lines[level - 2]}, "Attempt to create linear p.t. with write perms");
}

void type_count_overflow(machine& m, const page_info& pg) {
  m.gdprintk({mm_c, 2899}, "Type count overflow on mfn {:05x}", m.mfn_of(pg).n);
}

void bad_type(machine& m, const page_info& pg, u64 type) {
  const auto [mfn, pfn] = frame_of(m, pg);
  m.gdprintk({mm_c, 2940}, "Bad type (saw {:016x} != exp {:016x}) for mfn {:05x} (pfn {:05x})", pg.type_info, type, mfn,
             pfn);
}

void promote_failed(machine& m, unsigned level, long error, unsigned slot) {
  static constexpr unsigned lines[] = {1366, 1474, 1593, 1784};
  m.gdprintk({mm_c, lines[level - 1]}, "Failure {} in promote_l{}_table: slot {:#x}", error, level, slot);
}

void error_while_validating(machine& m, const page_info& pg, u64 type) {
  const auto [mfn, pfn] = frame_of(m, pg);
  m.gdprintk({mm_c, 2649}, "Error while validating mfn {:05x} (pfn {:05x}) for type {:016x}: caf={:08x} taf={:016x}",
             mfn, pfn, type, pg.count_info, pg.type_info);
}

void no_page_for_normal_update(machine& m) { m.gdprintk({mm_c, 4114}, "Could not get page for normal update"); }
void no_page_for_machphys(machine& m) { m.gdprintk({mm_c, 4238}, "Could not get page for mach->phys update"); }
void own_domid_as_foreign(machine& m) { m.gdprintk({page_alloc_c, 2671}, "Cannot specify itself as foreign domain"); }
void unknown_domain(machine& m, domid_t domid) { m.gdprintk({page_alloc_c, 2687}, "Unknown domain d{}", domid); }

void error_while_pinning(machine& m, long error, const page_info& pg) {
  m.gdprintk({mm_c, 3576}, "Error {} while pinning mfn {:05x}", error, m.mfn_of(pg).n);
}

void already_pinned(machine& m, const page_info& pg) {
  m.gdprintk({mm_c, 3588}, "mfn {:05x} already pinned", m.mfn_of(pg).n);
}

void not_pinned(machine& m, u64 mfn) { m.gdprintk({mm_c, 3642}, "mfn {:05x} not pinned", mfn); }

void unpin_bad_owner(machine& m, u64 mfn, const domain& d) {
  m.gdprintk({mm_c, 3632}, "mfn {:05x} bad, or bad owner d{}", mfn, d.domid);
}

void error_installing_baseptr(machine& m, mfn_t mfn) {
  m.gdprintk({mm_c, 3346}, "Error while installing new baseptr {:05x}", mfn.n);
}

void error_installing_user_baseptr(machine& m, long error, u64 mfn) {
  m.gdprintk({mm_c, 3708}, "Error {} installing new mfn {:05x}", error, mfn);
}

void bad_set_ldt(machine& m, u64 ptr, u32 ents) {
  m.gdprintk({mm_c, 3837}, "Bad args to SET_LDT: ptr={:x}, ents={:x}", ptr, ents);
}

void error_clearing(machine& m, u64 mfn) { m.gdprintk({mm_c, 3865}, "Error clearing mfn {:05x}", mfn); }
void error_copying_from(machine& m, u64 mfn) { m.gdprintk({mm_c, 3892}, "Error copying from mfn {:05x}", mfn); }
void error_copying_to(machine& m, u64 mfn) { m.gdprintk({mm_c, 3913}, "Error copying to mfn {:05x}", mfn); }
void multicall_reentry(machine& m) { m.gdprintk({multicall_c, 47}, "Multicall reentry is disallowed."); }

void over_allocation(machine& m, const domain& d, u64 pages) {
  m.gprintk("Over-allocation for {}: {} > {}", name(&d), pages, d.max_pages);
  m.unsaid({page_alloc_c, 2377}, "{} frames for {}, which may have {}", pages, name(&d), d.max_pages);
}

void could_not_increase(machine& m, const domain& d, u32 order, u64 done, u64 nr_extents) {
  m.gdprintk({memory_c, 135}, "Could not allocate order={} extent: id={} memflags=0 ({} of {})", order, d.domid, done,
             nr_extents);
}

void could_not_populate(machine& m, const domain& d, u32 order, u64 done, u64 nr_extents) {
  m.gdprintk({memory_c, 277}, "Could not allocate order={} extent: id={} memflags=0 ({} of {})", order, d.domid, done,
             nr_extents);
}

void page_number_invalid(machine& m, const domain& d, mfn_t mfn) {
  m.gdprintk({memory_c, 370}, "Domain {} page number {:x} invalid", d.domid, mfn.n);
}

void bad_page_free(machine& m, const domain& d, mfn_t mfn) {
  m.gdprintk({memory_c, 404}, "Bad page free for Dom{} GFN {:x}", d.domid, mfn.n);
}

void bad_steal(machine& m, const domain& d, const page_info& pg) {
  const domain* const owner = m.page_owner(pg);
  m.gdprintk({mm_c, 4454}, "Bad steal mfn {:05x} from d{} (owner d{}) caf={:08x} taf={:016x}", m.mfn_of(pg).n, d.domid,
             owner ? owner->domid : DOMID_INVALID, pg.count_info, pg.type_info);
}

void ptwr_bad_access(machine& m, u64 cr2, u64 addr, unsigned bytes) {
  m.gdprintk({ro_page_fault_c, 100}, "bad access (cr2={:x}, addr={:x}, bytes={})", cr2, addr, bytes);
}

void ptwr_refused(machine& m) { m.gdprintk({ro_page_fault_c, 163}, "could not get_page_from_l1e()"); }

}  // namespace pvmmu::xen::messages
