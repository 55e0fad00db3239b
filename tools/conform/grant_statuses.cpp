#include "tools/conform/grant_statuses.h"

namespace pvmmu::conform {

std::vector<s16> grant_statuses(const lab::call& c, const lab::answer& a) {
  const bool map = std::holds_alternative<lab::map_grant_ref>(c);
  if ((!map && !std::holds_alternative<lab::unmap_grant_ref>(c)) || a.blobs.empty()) return {};
  const std::size_t words = map ? 4 : 3;  // of an entry; the status is in the third
  const int shift = map ? 16 : 32;
  std::vector<s16> statuses;
  for (std::size_t i = 2; i < a.blobs.front().size(); i += words)
    statuses.push_back(static_cast<s16>(a.blobs.front()[i] >> shift & 0xffff));
  return statuses;
}

}  // namespace pvmmu::conform
