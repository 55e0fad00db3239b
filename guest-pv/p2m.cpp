#include "guest-pv/p2m.h"

#include <algorithm>
#include <cassert>
#include <stdexcept>

namespace pvmmu::guest {
namespace {

/// The last run that starts at or before `n`, by `start`; nullptr if there is none.
template <class Start>
const p2m_run* run_before(const std::vector<p2m_run>& runs, u64 n, Start start) {
  const auto after = std::ranges::upper_bound(runs, n, {}, start);
  return after == runs.begin() ? nullptr : &*std::prev(after);
}

constexpr auto first_pfn = [](const p2m_run& run) { return run.pfn.n; };
constexpr auto first_mfn = [](const p2m_run& run) { return run.mfn.n; };

}  // namespace

p2m::p2m(std::span<const p2m_run> runs, u64 frames)
    : by_pfn_(runs.begin(), runs.end()), by_mfn_(by_pfn_), frames_(frames) {
  u64 next = 0;
  for (const p2m_run& run : by_pfn_) {
    if (run.pfn.n != next) throw std::invalid_argument("start_info: the p2m has a gap or an overlap");
    next += run.frames;
  }
  if (next != frames) throw std::invalid_argument("start_info: the p2m does not hold nr_pages frames");
  std::ranges::sort(by_mfn_, {}, first_mfn);
}

std::optional<mfn_t> p2m::find(pfn_t pfn) const {
  const p2m_run* run = run_before(by_pfn_, pfn.n, first_pfn);
  if (!run || pfn.n - run->pfn.n >= run->frames || holes_.contains(pfn.n)) return std::nullopt;
  return run->mfn + (pfn.n - run->pfn.n);
}

mfn_t p2m::pfn_to_mfn(pfn_t pfn) const {
  const auto mfn = find(pfn);
  assert(mfn && "a frame is behind it");
  return *mfn;
}

std::optional<pfn_t> p2m::mfn_to_pfn(mfn_t mfn) const {
  const p2m_run* run = run_before(by_mfn_, mfn.n, first_mfn);
  if (!run || mfn.n - run->mfn.n >= run->frames) return std::nullopt;
  const pfn_t pfn = run->pfn + (mfn.n - run->mfn.n);
  if (holes_.contains(pfn.n)) return std::nullopt;
  return pfn;
}

}  // namespace pvmmu::guest
