// Grants of a domain to itself, on the real Xen and on the model: what each answers, what is left in the frames, and in
// the grants themselves.

#include <gtest/gtest.h>

#include <cstdlib>

#include "tools/conform/comparison.h"
#include "tools/conform/model_side.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

constexpr u32 host = GNTMAP_host_map, device = GNTMAP_device_map, readonly = GNTMAP_readonly,
              application = GNTMAP_application_map, contains_pte = GNTMAP_contains_pte;
constexpr u32 window = probe::name_window_l1;

struct named_program {
  std::string name;
  program p;
};

mmuext_op op(u32 cmd, u32 frame) { return {.uops = {{.cmd = cmd, .arg1 = mfn_of_frame(frame)}}, .count = 1}; }
mmuext_op pin_l1(u32 frame) { return op(MMUEXT_PIN_L1_TABLE, frame); }
mmu_update update(word ptr, word val) { return {.ureqs = {{ptr, val}}, .count = 1}; }
map_grant_ref map(word addr, u32 flags, word ref = ref_of_grant(0), domid_t dom = 0) {
  return {.uop = {{addr, flags, ref, dom}}, .count = 1};
}
unmap_grant_ref unmap(word host_addr, word dev_bus_addr, word handle) {
  return {.uop = {{host_addr, dev_bus_addr, handle}}, .count = 1};
}
unmap_grant_ref unmap_host(word addr, u32 mapping_call) { return unmap(addr, plain(0), handle_of(mapping_call)); }
word maddr_of(u32 frame) { return pte_to(frame, 0); }
word pte_at(u32 slot, u64 offset = 0) {
  word w = entry_of(window, slot);
  w.value += offset;
  return w;
}
const word ro_pte = pte_to(0, PAGE_PRESENT), rw_pte = pte_to(0, PAGE_PRESENT | PAGE_RW);

/// Grant 0 is `entry`: frame 0, if it is not said otherwise.
program with_grant(std::vector<call> calls, word entry = grant_of(0, GTF_permit_access, 0)) {
  return {.nr_frames = 2,
          .nr_foreign = 1,
          .nr_grants = 1,
          .contents = {{.frame = probe::name_grant_table, .slot = 0, .value = entry}},
          .calls = std::move(calls)};
}
word flagged(u64 flags) { return grant_of(0, static_cast<u16>(GTF_permit_access | flags), 0); }
word grant_of_mfn(u64 mfn) { return plain(make_grant({mfn}, GTF_permit_access, 0)); }

// What a mapping writes and holds.
std::vector<named_program> mappings() {
  const word va = window_va(0);
  std::vector<named_program> list{
      {"host and device", with_grant({map(va, host | device)})},
      {"host and device, read-only", with_grant({map(va, host | device | readonly)})},
      {"device", with_grant({map(plain(0), device)})},
      {"device, read-only", with_grant({map(plain(0), device | readonly)})},
      {"for the application", with_grant({map(va, host | application | 7 << GNTMAP_guest_avail0)})},
      {"for the application, read-only", with_grant({map(va, host | application | readonly)})},
      {"by its entry", with_grant({map(pte_at(3), host | contains_pte)})},
      {"over data", with_grant({update(pte_at(0), pte_to(1, PAGE_PRESENT | PAGE_RW)), map(va, host)})},
      {"of a page table", with_grant({pin_l1(0), map(va, host), map(va, host | readonly)})},
      {"of a page table for devices", with_grant({pin_l1(0), map(va, host | device), map(va, device | readonly)})},
      {"in the table itself", with_grant({pin_l1(0), map(entry_of(0, 5), host | contains_pte | readonly)})},
      {"of shared_info", with_grant({map(va, host)}, grant_of(probe::name_shared_info, GTF_permit_access, 0))},
      {"with cache attributes", with_grant({map(va, host)}, flagged(0x60))},
      {"in a multicall",
       with_grant(
           {multicall{.entries = {map(va, host), pin_l1(0), map(window_va(1), host | readonly)}, .nr_calls = 3}})}};
  for (const u32 flags : {host, host | readonly}) list.push_back({"host", with_grant({map(va, flags)})});
  return list;
}

std::vector<named_program> refusals() {
  const word va = window_va(0);
  const std::vector<call> once{map(va, host | readonly)};
  const word noncanonical = plain(u64{1} << 63), without_l1 = plain(0x1000000000);
  return {
      {"misaligned entry (XSA-227)", with_grant({map(pte_at(3, 6), host | contains_pte)})},
      {"entry of no table", with_grant({map(entry_of(1, 3), host | contains_pte)})},
      {"entry of an L2", with_grant({op(MMUEXT_PIN_L2_TABLE, 1), map(entry_of(1, 3), host | contains_pte)})},
      {"address without an L1", with_grant({map(without_l1, host), map(noncanonical, host)})},
      {"neither host nor device", with_grant({map(va, 0), map(va, readonly | application)})},
      {"no such domain", with_grant({map(va, host, ref_of_grant(0), DOMID_SELF), map(va, host, ref_of_grant(0), 77),
                                     map(va, host, ref_of_grant(0), DOMID_IO)})},
      {"no such grant", with_grant({map(va, host, plain_ref(512 * 64)), map(va, host, plain_ref(~0u))})},
      {"of a domain that grants nothing", with_grant({map(va, host, plain_ref(3), probe::foreign_domid),
                                                      map(va, host, plain_ref(512), probe::foreign_domid)})},
      {"granted read-only",
       with_grant({map(va, host), map(va, host | readonly), map(va, host)}, flagged(GTF_readonly))},
      {"a part of a page", with_grant(once, flagged(GTF_sub_page))},
      {"no grant of access", with_grant(once, grant_of(0, 2, 0))},
      {"granted to another", with_grant(once, grant_of(0, GTF_permit_access, probe::foreign_domid))},
      {"a foreign frame", with_grant(once, grant_of(probe::name_foreign, GTF_permit_access, 0))},
      {"a frame of dom_xen", with_grant(once, grant_of(probe::name_m2p, GTF_permit_access, 0))},
      {"no frame", with_grant(once, grant_of_mfn(0xfffffff))},
      {"the first megabyte", with_grant(once, grant_of_mfn(0xa0))},
      {"the local APIC", with_grant(once, grant_of_mfn(0xfee00))},
      {"MMIO", with_grant(once, grant_of_mfn(0xfed01))},
  };
}

std::vector<named_program> unmaps() {
  const word va = window_va(0), va1 = window_va(1);
  return {
      {"unmapped", with_grant({map(va, host), unmap_host(va, 0), unmap_host(va, 0)})},
      {"XSA-224", with_grant({map(va, host | device), unmap_host(va, 0), pin_l1(0),
                              unmap(plain(0), maddr_of(0), handle_of(0)), pin_l1(0)})},
      {"XSA-224, the device first", with_grant({map(va, host | device), unmap(plain(0), maddr_of(0), handle_of(0)),
                                                pin_l1(0), unmap_host(va, 0), pin_l1(0)})},
      {"both at once", with_grant({map(va, host | device), unmap(va, maddr_of(0), handle_of(0)), pin_l1(0)})},
      {"neither", with_grant({map(va, host | device), unmap(plain(0), plain(0), handle_of(0))})},
      {"wrong device address", with_grant({map(va, host | device), unmap(va, maddr_of(1), handle_of(0))})},
      {"device address of a host mapping", with_grant({map(va, host), unmap(plain(0), maddr_of(1), handle_of(0))})},
      {"by its entry", with_grant({map(pte_at(3), host | contains_pte | readonly), unmap_host(pte_at(3), 0)})},
      {"by its address, though mapped by its entry",
       with_grant({map(pte_at(3), host | contains_pte), unmap_host(window_va(3), 0)})},
      {"misaligned entry", with_grant({map(pte_at(3), host | contains_pte), unmap_host(pte_at(3, 4), 0)})},
      {"XSA-234", with_grant({map(va, host), map(va1, host | readonly), update(pte_at(0), ro_pte), unmap_host(va, 0),
                              pin_l1(0), unmap_host(va1, 0), unmap_host(va1, 1), pin_l1(0)})},
      {"overwritten by another frame",
       with_grant({map(va, host), update(pte_at(0), pte_to(1, PAGE_PRESENT | PAGE_RW)), unmap_host(va, 0),
                   update(pte_at(5), rw_pte), unmap_host(window_va(5), 0), pin_l1(0)})},
      {"elsewhere", with_grant({map(va, host), update(pte_at(7), rw_pte), unmap_host(window_va(7), 0)})},
      {"the same address twice", with_grant({map(va, host), map(va, host), unmap_host(va, 0), unmap_host(va, 1)})},
      {"the writable one of two", with_grant({map(va, host), map(va1, host | readonly), unmap_host(va, 0)})},
      {"the writable one, mapped later", with_grant({map(va1, host | readonly), map(va, host), unmap_host(va, 1)})},
      {"no such handle", with_grant({unmap(va, plain(0), plain(0x12345)), unmap(va, plain(0), plain(~u32{0}))})},
      {"counts", with_grant({map_grant_ref{.uop = {}, .count = 1},
                             map_grant_ref{.uop = {{va, host, ref_of_grant(0), 0}}, .count = 2}, map_grant_ref{},
                             map_grant_ref{.count = 0x80000000},
                             unmap_grant_ref{.uop = {{va, plain(0), handle_of(1)}}, .count = 2}, unmap_grant_ref{},
                             unmap_grant_ref{.count = 0xffffffff}})},
  };
}

// The grant's entry changes while it is mapped: only what it says of writing matters then.
std::vector<named_program> changed_entries() {
  const word va = window_va(0), va1 = window_va(1);
  const auto change = [](word entry) { return update(entry_of_grant(0), entry); };
  const call first = map(va1, host | readonly);
  return {
      {"becomes read-only",
       with_grant({first, change(flagged(GTF_readonly)), map(va, host), map(va, host | readonly)})},
      {"leads elsewhere", with_grant({first, change(grant_of(1, GTF_permit_access, 0)), map(va, host)})},
      {"is emptied", with_grant({first, change(plain(0)), map(va, host), unmap_host(va1, 0)})},
  };
}

// More than one batch of unmaps, more mappings than a grant counts, and more than a page of handles.
std::vector<named_program> many() {
  map_grant_ref maps;
  unmap_grant_ref unmaps;
  for (u32 i = 0; i < 130; ++i) {
    maps.uop.push_back({window_va(i), host | readonly, ref_of_grant(0), 0});
    unmaps.uop.push_back({window_va(i), plain(0), handle_of(0, i)});
  }
  maps.count = unmaps.count = 130;
  const program p = with_grant({maps, map(window_va(200), host), map(window_va(201), device | readonly), unmaps});
  return {{"many", p}, {"many again", p}, {"and again", p}};
}

// Each program ends alike on both sides.
TEST(grants, are_the_same_on_both_sides) {
  if (std::getenv("PVMMU_SKIP_LAB")) GTEST_SKIP() << "PVMMU_SKIP_LAB is set";
  const pvmmu::lab::lab real{{.probe = PVMMU_PROBE}};
  std::vector<std::string> names;
  std::vector<program> programs;
  for (const auto& group : {mappings(), refusals(), unmaps(), changed_entries(), many()}) {
    for (const named_program& n : group) {
      names.push_back(n.name);
      programs.push_back(n.p);
    }
  }
  const auto make = [](const machine_facts& facts) { return std::make_unique<model_side>(facts); };
  const comparison all = compare(real, programs, make, [&](const outcome& o) {
    EXPECT_EQ(o.real.how, program_answer::state::ended) << names[o.program];
    if (!o.differs) return;
    ADD_FAILURE() << names[o.program] << ": " << o.differs->where << ": real " << o.differs->real << ", model "
                  << o.differs->model;
  });
  for (const difference& d : all.shared) ADD_FAILURE() << d.where << ": real " << d.real << ", model " << d.model;
}

}  // namespace
}  // namespace pvmmu::conform
