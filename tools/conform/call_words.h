#pragma once
// Every word of a call, wherever it stands in it: what names frames, or earlier answers.

#include <functional>

#include "tools/lab/program.h"

namespace pvmmu::conform {

void for_words(lab::call& c, const std::function<void(lab::word&)>& fn);

}  // namespace pvmmu::conform
