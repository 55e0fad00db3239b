#pragma once
// What `pvmmu show` prints for people: an overview with a line a step, steps in full, or the tables behind a step.

#include <functional>

#include "tools/show/request.h"

namespace pvmmu::tools {

/// Hands the text to `write` piece by piece, as it comes. Throws input_error for steps or frames that are not there.
void show_text(timeline& t, const show_request& request, bool colored,
               const std::function<void(const std::string&)>& write);

/// The same for programs: one JSON document. Numbers of 64 bits are strings "0x…".
void show_json(timeline& t, const show_request& request, const std::function<void(const std::string&)>& write);

}  // namespace pvmmu::tools
