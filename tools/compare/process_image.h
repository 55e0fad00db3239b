#pragma once
// What the process of a recording had when the comparison begins: the tables and pages that its program, its stack and
// the mark need. The model's process must begin with the same.

#include "guest-pv/kernel.h"
#include "tools/compare/scope.h"

namespace pvmmu::compare {

struct process_image {
  std::vector<guest::seen_table> tables;
  std::vector<guest::seen_page> pages;
};

/// Behind the call that mapped the mark. Of a capture: when the process is taken down, without the scenario's ranges;
/// what lies elsewhere is only compared from there on. Nothing where there is no such call.
std::optional<process_image> find_process_image(const call_stream& stream, const scope& which);

/// How the model's process, when its stream begins, is unlike the real one at the mark: the first table or page that is
/// not in both, or is mapped otherwise. Accessed and dirty bits may differ. Empty: it is not.
std::string first_unlike(const process_image& real, const process_image& model);

/// Of a stream that begins where the comparison does.
std::optional<process_image> image_at_start(const call_stream& stream, const scope& which);

}  // namespace pvmmu::compare
