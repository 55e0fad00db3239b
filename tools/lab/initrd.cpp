#include "tools/lab/initrd.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <string_view>

#include "tools/lab/cpio_archive.h"
#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

/// A subshell for each line: whatever that does, /init goes on.
constexpr std::string_view init_script = R"(#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin HOME=/
echo INIT UP
while read -r line; do
  if [ "$line" = kallsyms ]; then
    echo KALLSYMS BEGIN
    grep -E ' [tTwW] ' /proc/kallsyms | grep -v ' __pfx_' | gzip -c | base64
    echo KALLSYMS END
  else
    (eval "$line")
    echo "WORK DONE, status $?"
  fi
done
)";

std::string read_file(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  std::string bytes{std::istreambuf_iterator<char>{in}, {}};
  if (!in || bytes.empty()) throw lab_input_error(fmt::format("{}: cannot be read, or is empty", file.string()));
  return bytes;
}

bool wants_loader(const std::string& elf, const Elf64_Ehdr& header) {
  for (u64 i = 0; i < header.e_phnum; ++i) {
    const u64 offset = header.e_phoff + i * sizeof(Elf64_Phdr);
    if (offset > elf.size() || elf.size() - offset < sizeof(Elf64_Phdr)) return false;
    Elf64_Phdr segment;
    std::memcpy(&segment, elf.data() + offset, sizeof segment);
    if (segment.p_type == PT_INTERP) return true;
  }
  return false;
}

/// A script is a program as well: busybox is there to run it.
std::string read_program(const std::filesystem::path& file) {
  std::string bytes = read_file(file);
  if (bytes.starts_with("#!")) return bytes;
  Elf64_Ehdr header{};
  std::memcpy(&header, bytes.data(), std::min(sizeof header, bytes.size()));
  if (bytes.size() < sizeof header || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64 ||
      header.e_phentsize != sizeof(Elf64_Phdr))
    throw lab_input_error(fmt::format("{}: a program for x86-64 or a script is expected", file.string()));
  if (wants_loader(bytes, header))
    throw lab_input_error(
        fmt::format("{}: a static program is expected; this one wants a loader and libraries", file.string()));
  return bytes;
}

}  // namespace

std::string make_initrd(const std::filesystem::path& busybox, const std::vector<std::filesystem::path>& programs) {
  cpio_archive archive;
  for (const char* folder : {"bin", "dev", "proc", "sys"}) archive.add_folder(folder);
  archive.add_character_device("dev/console", 5, 1);  // what /init talks through
  archive.add_program("init", init_script);
  archive.add_program("bin/busybox", read_program(busybox));
  std::set<std::string> names{"busybox"};
  for (const std::filesystem::path& program : programs) {
    const std::string name = program.filename().string();
    if (!names.insert(name).second)
      throw lab_input_error(fmt::format("{}: there is a program {} already", program.string(), name));
    archive.add_program("bin/" + name, read_program(program));
  }
  return archive.finish();
}

}  // namespace pvmmu::lab
