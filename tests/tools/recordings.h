#pragma once
// What tests do with recordings: the committed ones, their records as a list, and files of one's own that go away.

#include <expected>
#include <string>
#include <vector>

#include "tools/recording_file.h"

namespace pvmmu::tools {

/// Recordings of the real Xen, made by `pvmmu import`.
inline const std::vector<std::string> real_recordings = {"l61-exec",  "l61-fork",       "l61-mprotect", "l61-pmd_move",
                                                         "l61-touch", "l612-pmd_move8", "ns61-pmd_move"};
std::string recording_path(const std::string& name);

std::string read_bytes(const std::string& path);
void write_bytes(const std::string& path, const std::string& bytes);

/// All records but the end, the header first.
std::vector<recording::record> read_records(const std::string& path);
void write_records(const std::string& path, const std::vector<recording::record>& records);

/// All records of the file as one text, or the error that reading it comes to; that it is torn is one as well.
std::expected<std::string, std::string> read_through(const std::string& path);

}  // namespace pvmmu::tools
