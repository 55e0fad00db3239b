#pragma once
// Xen's own memory, read while its machine stands still: variables by symbol, the frame table, RAM.

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "hypervisor-model/machine/machine.h"
#include "tools/lab/machine_in_qemu.h"
#include "tools/lab/memory_image.h"
#include "tools/lab/symbol_map.h"

namespace pvmmu::lab {

class stopped_xen : public memory_image {
 public:
  /// Stops the machine and reads the frame table, through `dump`, which QEMU has inherited. Throws lab_error.
  stopped_xen(machine_in_qemu& machine, std::shared_ptr<const shared_memory> ram, shared_memory& dump,
              const symbol_map& symbols);

  u64 frames() const override { return frames_.size(); }
  xen::page_info frame(mfn_t mfn) const override { return frames_[mfn.n]; }
  std::span<const u64, entries_per_table> words(mfn_t mfn) const override;

  /// Copies a frame's words: they stay as they are when the machine goes on.
  void keep(mfn_t mfn);

  /// What Xen's mmio_ro_ranges hold.
  const std::vector<xen::mfn_range>& mmio_ro() const { return mmio_ro_; }

 private:
  std::shared_ptr<const shared_memory> ram_;
  std::vector<xen::page_info> frames_;
  std::vector<xen::mfn_range> mmio_ro_;
  std::unordered_map<u64, std::array<u64, entries_per_table>> kept_;  ///< by mfn
};

/// Stops the machine and reads the frame table alone.
std::vector<xen::page_info> stop_and_read_frame_table(machine_in_qemu& machine, shared_memory& dump,
                                                      const symbol_map& symbols);

}  // namespace pvmmu::lab
