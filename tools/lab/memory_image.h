#pragma once
// A machine that stands still: its memory and Xen's frame table.

#include <span>

#include "hypervisor-model/machine/page_info.h"
#include "proto/abi/pte.h"

namespace pvmmu::lab {

class memory_image {
 public:
  virtual ~memory_image() = default;
  /// In the frame table; PDX = MFN.
  virtual u64 frames() const = 0;
  /// Xen's own record, but for `owner`: 0 nobody, else domid + 1 as in the model (DOMID_IO and DOMID_XEN too), all ones
  /// for a hole; `next` and `prev` are 0. `mfn` is below frames().
  virtual xen::page_info frame(mfn_t mfn) const = 0;
  /// The 512 words of a frame of RAM. Throws lab_error for any other.
  virtual std::span<const u64, entries_per_table> words(mfn_t mfn) const = 0;
};

}  // namespace pvmmu::lab
