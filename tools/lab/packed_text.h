#pragma once
// Text that came over a line where bytes are dear and may get lost: packed by gzip, whose checksum tells, and written
// in base64.

#include <string>
#include <vector>

namespace pvmmu::lab {

/// `lines`: what `gzip | base64` prints. Throws lab_error where something of it is missing or was changed, and for more
/// text than any kernel has symbols.
std::string unpack_text(const std::vector<std::string>& lines);

}  // namespace pvmmu::lab
