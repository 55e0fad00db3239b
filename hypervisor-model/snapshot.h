#pragma once
// Puts a machine into a state that was seen elsewhere: frame by frame, table by table. Nothing is validated or counted,
// and nothing is notified: the state is taken as it is.
//
//   machine m({.frames = 262144});
//   domain& d = load_domain(m);                               // a dom0 with one vCPU and nothing else
//   load_frames(m, d, mfn_t{0}, 256, {frame_owner::dom_io, PGC_allocated | 1, 0, 0});
//   load_table(m, table, words);
//   load_roots(m, *d.vcpus[0], kernel_l4, user_l4);           // once their contents are loaded

#include <optional>
#include <span>
#include <string>

#include "hypervisor-model/domain.h"

namespace pvmmu::xen {

enum class frame_owner : u8 { nobody, the_domain, dom_io, dom_xen, invalid };

/// One frame's record, as far as it outlives a call.
struct frame_record {
  frame_owner owner = frame_owner::nobody;
  u64 count_info = 0;
  u64 type_info = 0;
  u32 aux = 0;  ///< of page tables: validation progress and linear_pt_count, as in `page_info`
  friend bool operator==(const frame_record&, const frame_record&) = default;
};

/// Adds a dom0 that owns nothing and may map all MMIO, with `vcpus` vCPUs that run on no tables.
domain& load_domain(machine& m, u32 vcpus);

/// Gives `frames` frames from `first` on the same state. They must lie in the machine, and not have been given to
/// anyone since it was made.
void load_frames(machine& m, domain& d, mfn_t first, u64 frames, const frame_record& state);

/// Sets all 512 words of a frame.
void load_table(machine& m, mfn_t table, std::span<const pte_t, entries_per_table> words);

/// Makes `v` run on these L4s (0: none) without counting references. What the kernel's L4 has in Xen's slots is what
/// Xen will put into those of every new L4.
void load_roots(machine& m, vcpu& v, mfn_t kernel, mfn_t user);

/// Looks for what no Xen could have left behind: locks, references that a table shows and no count knows of, tables
/// that are neither validated nor partial. Calls on such a state would end in asserts. More references than the tables
/// show are none of that: Xen itself holds frames, too. Returns what is wrong with the first such frame.
std::optional<std::string> find_contradiction(machine& m);

/// What a frame's record is now, for comparison.
frame_record state_of(machine& m, const domain& d, mfn_t mfn);

}  // namespace pvmmu::xen
