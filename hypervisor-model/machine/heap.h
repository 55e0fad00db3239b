#pragma once
// Frames that nobody owns: Xen's domheap. Which of them it hands out next is its own choice and no guest's business,
// but the real Xen chooses otherwise: whoever repeats a real run offers the frames that it chose.
//
//   heap_.offer({&real_mfn, 1}); // the next extent comes from there, whatever its size
//   heap_.take(0);               // → real_mfn; then frames given back, the last one first; then those never used
//
// It knows frames by their records alone: a frame is free that has no owner and no references.

#include <deque>
#include <optional>
#include <span>

#include "hypervisor-model/machine/page_info.h"

namespace pvmmu::xen {

/// What the heap knows that is not in the frames' records.
struct heap_state {
  u64 next_unused = 0;  ///< frames from here on were never given back
  u32 free_list = 0;    ///< frames given back, linked through `next` and `prev`
  std::deque<mfn_t> offered{};
  friend bool operator==(const heap_state&, const heap_state&) = default;
};

class heap {
 public:
  /// Frames below `first` are never handed out, but if they are offered.
  heap(page_info* frames, u64 nr_frames, u64 first) : frames_(frames), nr_frames_(nr_frames), state_{first} {}

  /// Takes 2^order frames in a row, all below `limit`, and returns the first. Nothing: there are none, or the ones that
  /// were offered are not free. More than one frame come from memory that was never used.
  std::optional<mfn_t> take(unsigned order, u64 limit);
  void give_back(mfn_t mfn);

  /// Where the extents to take next begin, in this order; what was offered before is forgotten. What is no frame, as
  /// INVALID_MFN, makes an extent fail.
  void offer(std::span<const mfn_t> firsts) { state_.offered.assign(firsts.begin(), firsts.end()); }

  /// Others use this frame, whether it was given back or never used; and whatever lies below it.
  void claim(mfn_t mfn);

  const heap_state& save() const { return state_; }
  void restore(const heap_state& s) { state_ = s; }

 private:
  bool is_linked(u64 n) const { return frames_[n].prev != 0 || state_.free_list == n; }
  bool all_free(u64 first, u64 size) const;
  void unlink(u64 n);
  void unlink_all(u64 first, u64 size);
  std::optional<mfn_t> take_offered(u64 size);
  std::optional<mfn_t> take_unused(u64 size, u64 limit);

  page_info* frames_;
  u64 nr_frames_;
  heap_state state_;
};

}  // namespace pvmmu::xen
