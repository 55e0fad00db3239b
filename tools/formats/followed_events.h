#pragma once
// Which of a real kernel's trace points follow from its hypercalls: what was asked says which functions asked it.
//
//   followed_events events(mfn_to_pfn);
//   for each step, in order:  for (const std::string& line : events.of(step)) …
//
// What only the kernel knows is left out: where batches begin, what could be extended, which entry was allocated,
// stores to tables that are not pinned. An mm that is not known is written as the kernel writes a pointer that it does
// not show.

#include <map>
#include <string>
#include <vector>

#include "tools/formats/trace_text.h"
#include "tools/timeline/timeline.h"

namespace pvmmu::tools {

class followed_events {
 public:
  explicit followed_events(frame_numbers mfn_to_pfn) : mfn_to_pfn_(std::move(mfn_to_pfn)) {}

  /// Lines `EVENT: TEXT` of one step. To be asked for all steps, in the order in which they were made: a call that Xen
  /// left and went on with later is told once.
  std::vector<std::string> of(const timeline_step& step);

 private:
  /// A call that Xen left, and will go on with.
  struct open_call {
    std::vector<recording::piece> pieces{};
    std::map<u64, unsigned> levels{};  ///< of the tables that it updates
  };

  frame_numbers mfn_to_pfn_;
  std::map<vcpu_id_t, open_call> open_;
  /// A flush that makes room comes when the event of what needs the room has been said.
  std::map<vcpu_id_t, std::string> late_flush_;
};

}  // namespace pvmmu::tools
