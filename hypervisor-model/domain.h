#pragma once
// A domain and its vCPUs, as far as the MMU is concerned. What is plain state stands apart from what points somewhere:
// a machine's image (machine_image.h) takes it as it is, so that a new field is in every image.

#include <array>
#include <memory>
#include <vector>

#include "hypervisor-model/grant_entries.h"
#include "hypervisor-model/machine/machine.h"
#include "hypervisor-model/machine/tlb.h"

namespace pvmmu::xen {

inline constexpr unsigned gdt_frames_max = 14;  ///< FIRST_RESERVED_GDT_PAGE (xen public/arch-x86/xen.h)
inline constexpr unsigned ldt_frames_max = 16;

/// The L4 slot of each domain's own mappings: its GDT and LDT.
inline constexpr unsigned perdomain_slot = 260;
/// The frames in which Xen keeps each domain's per-domain mappings.
inline constexpr u64 first_perdomain_frame = 384;
inline constexpr u64 perdomain_frames = 128;

/// What a vCPU is, but for what it points to.
struct vcpu_state {
  vcpu_id_t id = 0;

  bool is_initialised = false;  ///< VCPUOP_initialise was done, or is not needed
  bool is_up = false;           ///< as VCPUOP_is_up tells: whoever makes its calls need not care

  mfn_t guest_table{};       ///< the kernel's L4; 0: none
  mfn_t guest_table_user{};  ///< user mode's L4; 0: none

  bool old_guest_table_partial = false;

  bool in_multicall = false;
  bool hcall_preempted = false;  ///< the last piece ended with a continuation

  u64 ldt_base = ~u64{0};  ///< all ones while there is none
  u32 ldt_ents = 0;
  std::array<mfn_t, ldt_frames_max> ldt_frames{};  ///< those in use, by page of the LDT (ldt.h)
  u32 gdt_ents = 0;
  std::array<mfn_t, gdt_frames_max> gdt_frames{};

  // Its free grant handles, first and last (grant_entries.h).
  u32 maptrack_head = MAPTRACK_TAIL;
  u32 maptrack_tail = MAPTRACK_TAIL;

  u32 tlbflush_time = 0;  ///< when this vCPU's processor last flushed, on the machine's flush clock
  tlb_entries tlb{};      ///< empty on machines without TLBs
  friend bool operator==(const vcpu_state&, const vcpu_state&) = default;
};

struct vcpu : vcpu_state {
  domain* dom = nullptr;

  // A table whose last reference is to be dropped before anything else happens (xen 4.17 mm.c:3166).
  page_info* old_guest_table = nullptr;
  page_info* old_guest_ptpg = nullptr;  ///< the table it was a linear entry of
};

/// What a domain is, but for its name, its vCPUs and the machine that it is in.
struct domain_state {
  bool privileged = false;  ///< dom0: control and hardware domain
  bool is_dying = false;
  bool crashed = false;
  /// Refuse vulnerable non-present entries: on for domUs, off for dom0 (xen 4.17 spec_ctrl.c).
  bool check_l1tf = false;
  u64 vm_assist = 0;
  u64 tot_pages = 0;        ///< of its memory, without what Xen shares with it
  u64 max_pages = ~u32{0};  ///< what memory_op may raise tot_pages to; dom0 has no limit
  u32 page_list = 0;        ///< first frame of the list of all that it owns, 0: none
  u64 nr_l4_pages = 0;
  pte_t perdomain_l4e = 0;              ///< what perdomain_slot of its L4s holds
  std::vector<mfn_range> iomem_caps{};  ///< MMIO that it may map
  mfn_t shared_info{};                  ///< shared with it by Xen; 0: none
  grant_table grants{};
  friend bool operator==(const domain_state&, const domain_state&) = default;
};

struct domain : domain_state {
  machine& m;
  domid_t domid;
  domain_kind kind;
  std::vector<std::unique_ptr<vcpu>> vcpus;

  domain(machine& machine_, domid_t domid_, domain_kind kind_);

  owner_t owner() const { return owner_of(domid); }
  bool has_assist(unsigned type) const { return (vm_assist >> type & 1) != 0; }
  bool iomem_access_permitted(mfn_t mfn) const;
  bool may_map_devices() const { return !iomem_caps.empty(); }
  /// The vCPUs that have page tables loaded: those whose TLBs may hold something of this domain.
  u64 dirty_mask() const;
};

/// xsm_default_action(XSM_TARGET): may `source` act on `target` (xen 4.17 xsm/dummy.h:74).
inline bool xsm_target(const domain& source, const domain& target) { return &source == &target || source.privileged; }

/// Makes a frame that nobody owns one of Xen's heap that `d` may map and write: its type is held for good (xen 4.17
/// mm.c:493).
void share_xen_page_with_guest(machine& m, domain& d, mfn_t mfn);

/// vcpu_destroy_pagetables, pv_destroy_ldt and pv_destroy_gdt: drops what the vCPU holds (xen 4.17 mm.c:3206).
void vcpu_destroy(machine& m, vcpu& v);

/// Xen's domain_crash: the guest runs no more. What it has done stays as it is until the domain is destroyed.
void domain_crash(domain& d);

/// domain_kill: drops every reference that the domain holds and frees its frames (xen 4.17 domain.c:2299). A frame that
/// another domain still references is freed with that reference.
void domain_relinquish_resources(domain& d);

}  // namespace pvmmu::xen
