#pragma once
// A recorded kernel's own frame numbers, read from the tables with which it maps all of its memory: entry i of Linux's
// direct map is pfn i.

#include <map>
#include <unordered_map>

#include "hypervisor-model/machine/machine.h"

namespace pvmmu::tools {

class direct_map {
 public:
  /// Of the first domain that has tables loaded. Without any it knows no frame.
  explicit direct_map(const xen::machine& m);

  std::optional<pfn_t> mfn_to_pfn(mfn_t mfn) const;

 private:
  std::unordered_map<u64, u64> pfns_;  ///< by mfn
};

}  // namespace pvmmu::tools
