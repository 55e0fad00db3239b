#pragma once
// What answers depend on and no program can change: input of the model, taken from the machine.

#include <array>
#include <string>
#include <vector>

#include "hypervisor-model/machine/machine.h"
#include "proto/abi/domain_config.h"
#include "tests/conformance/probe/program.h"

namespace pvmmu::lab {

class stopped_xen;

struct machine_facts {
  std::string xen_version;                          ///< the package's
  std::string qemu_version;                         ///< as QEMU says it
  u64 frames = 0;                                   ///< in the frame table
  start_info start;                                 ///< what dom0 was told when it started
  u64 dom0_pages = 0;                               ///< that dom0 owned in the end
  std::vector<mfn_t> grant_frames;                  ///< dom0's grant table: 512 grants each
  std::vector<xen::mfn_range> holes;                ///< below `frames`, but no frames
  std::vector<xen::mfn_range> dom_io;               ///< frames of DOMID_IO
  std::vector<xen::mfn_range> dom_xen;              ///< frames of DOMID_XEN
  std::vector<xen::mfn_range> dom0_iomem;           ///< what dom0 may map, if it is not RAM
  std::vector<xen::mfn_range> mmio_ro;              ///< … and what of it only to read: Xen's mmio_ro_ranges
  std::array<pte_t, entries_per_table> probe_l4{};  ///< what cr3 leads to, in the end
  std::array<pte_t, last_xen_slot - first_xen_slot + 1> xen_l4_slots{};  ///< 256-271 of it
};

/// `known`: what the probe has learnt; `serial`: what Xen printed, with a dump of its domains. Throws lab_error.
machine_facts read_facts(const stopped_xen& xen, const probe::results_header& known, const std::string& serial);

}  // namespace pvmmu::lab
