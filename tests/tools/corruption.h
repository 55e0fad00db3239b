#pragma once
// Spoils a recording in one place, chosen at random: a call, a result, what a table held, a frame's record. And says
// beforehand, from the recording alone, whether that can be without effect, and why.
//
//   corruption c = corrupt(records, random);       // changes one of the records
//   // replaying them must report a difference or an error, unless c.why_neutral

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "recording.pb.h"

namespace pvmmu::tools {

struct corruption {
  std::string what;
  /// Why nobody may notice; nothing: it must be reported.
  std::optional<std::string> why_neutral;
};

corruption corrupt(std::vector<recording::record>& records, std::mt19937_64& random);

}  // namespace pvmmu::tools
