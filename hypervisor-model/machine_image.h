#pragma once
// All of a machine's state between two calls, and a machine made of it, which then does all that the first one would
// have done: the same results, events and messages, the same frames from the heap, the same handles.
//
//   const machine_image image = save(m);
//   …                                     // m goes on
//   auto again = restore(image);          // a machine as m was, which goes on by itself
//   auto later = save(m, &image);         // costs memory only for what has changed
//
// Not in it is what is no state of the machine: who listens (machine::listen, audits) and who preempts. Images are
// equal where the machines are. `machine_image_check.h` tells of an image that comes from elsewhere whether a machine
// can have been so.

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "hypervisor-model/domain.h"
#include "hypervisor-model/machine/memory_image.h"

namespace pvmmu::xen {

struct vcpu_image {
  vcpu_state state{};
  std::optional<mfn_t> old_guest_table{};
  std::optional<mfn_t> old_guest_ptpg{};
  friend bool operator==(const vcpu_image&, const vcpu_image&) = default;
};

struct domain_image {
  domid_t domid = 0;
  domain_kind kind = domain_kind::domU;
  domain_state state{};
  std::vector<vcpu_image> vcpus{};
  friend bool operator==(const domain_image&, const domain_image&) = default;
};

struct machine_image {
  machine_config config{};
  memory_image frame_table{};
  memory_image ram{};
  memory_image m2p{};
  heap_state heap{};
  u32 tlbflush_clock = 0;
  counters perfc{};
  std::vector<mfn_range> mmio_ro_ranges{};
  std::array<pte_t, last_xen_slot - first_xen_slot + 1> xen_l4_slots{};
  std::vector<mfn_t> machphys_mfns{};
  std::vector<mfn_t> lost_references{};
  std::vector<domain_image> domains{};  ///< in the machine's order
  domain_image dom_xen{};
  domain_image dom_io{};
  /// Whom messages name: the index of its domain in `domains`, and of the vCPU in that.
  std::optional<std::pair<u64, u64>> current{};
  friend bool operator==(const machine_image&, const machine_image&) = default;
};

/// Shares the memory that is as in `like`; nullptr: none. Between calls only. Throws std::system_error where the system
/// does not tell what memory was touched.
machine_image save(const machine& m, const machine_image* like = nullptr);

/// `image` must come from `save`, or have passed `check_image`. Throws as machine's constructor does.
std::unique_ptr<machine> restore(const machine_image& image);

}  // namespace pvmmu::xen
