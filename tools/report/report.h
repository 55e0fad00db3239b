#pragma once
// A journal shown to people, and to programs.

#include <boost/json/value.hpp>
#include <string>

#include "tools/report/journal.h"

namespace pvmmu::tools {

/// Step by step: calls with their entries and the kernel functions that made them, changed fields, work, flushes,
/// messages, findings. The same journal gives the same bytes.
std::string text_report(const journal& j, bool colored);

/// All of it, nothing folded or summed up. Numbers of 64 bits are strings "0x…".
boost::json::value json_report(const journal& j);

/// A call or access alone, as it stands in a journal.
boost::json::value json_report(const act& a);

}  // namespace pvmmu::tools
