#pragma once
// Beside recordings the link `latest` names the newest of them.
//
//   check_name("x.rec");                             // before it is written
//   if (const auto why_not = link_latest("x.rec")) say(*why_not);

#include <optional>
#include <string>

namespace pvmmu::tools {

/// Throws input_error for a recording that has the link's name.
void check_name(const std::string& recording_path);

/// Lets the link name this recording. Returns, in words, why it does not; nothing: it does.
std::optional<std::string> link_latest(const std::string& recording_path);

}  // namespace pvmmu::tools
