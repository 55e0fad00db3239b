#pragma once
// Which machine frame lies behind a pseudo-physical one, and back.

#include <optional>
#include <set>
#include <span>
#include <vector>

#include "proto/abi/domain_config.h"

namespace pvmmu::guest {

class p2m {
 public:
  /// Throws std::invalid_argument unless the runs are ascending, do not overlap and hold exactly `frames` frames from
  /// pfn 0 on.
  p2m(std::span<const p2m_run> runs, u64 frames);

  /// `pfn` must be one of the domain's, with a frame behind it.
  mfn_t pfn_to_mfn(pfn_t pfn) const;
  /// Nothing where no frame is behind it (INVALID_P2M_ENTRY).
  std::optional<mfn_t> find(pfn_t pfn) const;
  /// Its frame is given away.
  void set_invalid(pfn_t pfn) { holes_.insert(pfn.n); }
  /// Nothing for frames of others.
  std::optional<pfn_t> mfn_to_pfn(mfn_t mfn) const;
  u64 frames() const { return frames_; }

 private:
  std::vector<p2m_run> by_pfn_;
  std::vector<p2m_run> by_mfn_;
  std::set<u64> holes_;  ///< pfns
  u64 frames_;
};

}  // namespace pvmmu::guest
