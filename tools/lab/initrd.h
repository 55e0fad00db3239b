#pragma once
// A first file system for a Linux that runs a workload: busybox, the user's programs, and an /init that talks with
// whoever sits at the console (linux_session.h):
//
//   /init prints            we type                 then /init
//   INIT UP                 a line: ARGS            runs it as a shell does, with /bin in PATH
//   WORK DONE, status N     kallsyms                prints the kernel's functions, packed (packed_text.h):
//                                                   KALLSYMS BEGIN … KALLSYMS END
//
// N is the line's exit status. After each answer /init waits for the next line. An /init of the user's own need only
// print INIT UP, read a line and run it, and print WORK DONE.

#include <filesystem>
#include <string>
#include <vector>

namespace pvmmu::lab {

/// The programs lie in /bin under their own file names. They must be static: there is no library. Throws
/// lab_input_error for a file that cannot be read, is no program of this machine or is not static, and for two of the
/// same name.
std::string make_initrd(const std::filesystem::path& busybox, const std::vector<std::filesystem::path>& programs);

}  // namespace pvmmu::lab
