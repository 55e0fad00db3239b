#pragma once
// Lines of a serial port after which nothing good follows, and what they mean.

#include <span>
#include <string>
#include <string_view>

namespace pvmmu::lab {

/// Xen or its guest has died, or the machine was turned off.
bool is_fatal(std::string_view line);

/// "Xen panicked: Domain 0 allocation is too small for kernel image", for example. `lines`: the fatal one, and what was
/// said after it, which often tells more.
std::string explain_death(std::span<const std::string> lines);

}  // namespace pvmmu::lab
