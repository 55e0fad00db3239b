#pragma once
// Which machine frame lies behind a pseudo-physical one, and back.

#include <optional>
#include <span>
#include <vector>

#include "proto/abi/domain_config.h"

namespace pvmmu::guest {

class p2m {
 public:
  /// Throws std::invalid_argument unless the runs are ascending, do not overlap and hold exactly `frames` frames from
  /// pfn 0 on.
  p2m(std::span<const p2m_run> runs, u64 frames);

  /// `pfn` must be one of the domain's.
  mfn_t pfn_to_mfn(pfn_t pfn) const;
  /// Nothing for frames of others.
  std::optional<pfn_t> mfn_to_pfn(mfn_t mfn) const;
  u64 frames() const { return frames_; }

 private:
  std::vector<p2m_run> by_pfn_;
  std::vector<p2m_run> by_mfn_;
  u64 frames_;
};

}  // namespace pvmmu::guest
