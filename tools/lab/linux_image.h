#pragma once
// A kernel to boot: a file of the user's, or Debian's.

#include <filesystem>
#include <string>

namespace pvmmu::lab {

struct linux_image {
  std::filesystem::path file;  ///< a bzImage or an ELF file
  /// What the kernel calls itself: "6.1.0-56-amd64 (…) #1 SMP … Debian 6.1.192-2 (2026-11-16)". Empty for an ELF file
  /// that does not say.
  std::string release;
};

/// `kernel`: "6.1", "6.12", … for the newest of Debian's of that series, or the name of a file. Throws lab_error: there
/// is no such kernel, or the file is none. Whether it is one for PV guests is for Xen to say.
linux_image find_linux(const std::string& kernel);

}  // namespace pvmmu::lab
