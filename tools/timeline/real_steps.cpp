#include "tools/timeline/real_steps.h"

#include <algorithm>
#include <iterator>

namespace pvmmu::tools {

real_steps::real_steps(const std::string& path, bool shows_progress)
    : run_(read_run(path)), order_(find_order(run_, shows_progress)), places_(run_.pieces.size()) {
  for (u64 place = 0; place < places_.size(); ++place) places_[order_.pieces()[place]] = place;
}

std::vector<wire::note> real_steps::notes_before(u64 piece) {
  const auto notes = run_.notes.find(piece + 1);
  return notes == run_.notes.end() ? std::vector<wire::note>() : notes->second;
}

std::vector<wire::note> real_steps::names() {
  std::vector<wire::note> found;
  for (const auto& [number, notes] : run_.notes) std::ranges::copy_if(notes, std::back_inserter(found), names_frame);
  return found;
}

}  // namespace pvmmu::tools
