#pragma once
// Lines of a serial port after which nothing good follows, and what they mean.

#include <optional>
#include <string_view>

namespace pvmmu::lab {

/// "Xen panicked", for example; nothing if life goes on. The first such line says most.
std::optional<std::string_view> fatal_meaning(std::string_view line);

}  // namespace pvmmu::lab
