#include "tools/lab/linux_image.h"

#include <elf.h>
#include <fmt/format.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <regex>
#include <string_view>

#include "proto/abi/types.h"
#include "tools/lab/lab_error.h"
#include "tools/lab/packages.h"

namespace pvmmu::lab {
namespace {

std::string text_at(const std::string& bytes, std::size_t at) {
  constexpr std::size_t longest = 512;
  const std::string text = at < bytes.size() ? bytes.substr(at, longest) : "";
  return text.substr(0, std::min(text.find('\0'), text.find('\n')));
}

/// linux Documentation/x86/boot.rst: "HdrS" at 0x202, and at 0x20e where the version's text is, less 0x200.
bool is_bzimage(const std::string& bytes) { return bytes.size() > 0x210 && bytes.compare(0x202, 4, "HdrS") == 0; }

std::string release_of_bzimage(const std::string& bytes) {
  u16 at = 0;
  std::memcpy(&at, bytes.data() + 0x20e, sizeof at);
  return text_at(bytes, std::size_t{at} + 0x200);
}

/// linux_banner: "Linux version 6.1.192 (…)". The same words with a % in them are a format.
std::string release_of_elf(const std::string& bytes) {
  const std::string_view label = "Linux version ";
  for (std::size_t at = bytes.find(label); at != std::string::npos; at = bytes.find(label, at + 1))
    if (const std::string text = text_at(bytes, at + label.size()); !text.starts_with('%')) return text;
  return "";
}

linux_image read_image(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  const std::string bytes{std::istreambuf_iterator<char>{in}, {}};
  if (is_bzimage(bytes)) return {file, release_of_bzimage(bytes)};
  if (bytes.starts_with(ELFMAG)) return {file, release_of_elf(bytes)};
  throw lab_input_error(fmt::format("{}: no kernel; a bzImage or an ELF file is expected", file.string()));
}

}  // namespace

linux_image find_linux(const std::string& kernel) {
  if (std::filesystem::is_regular_file(kernel)) return read_image(kernel);
  if (std::regex_match(kernel, std::regex{"[0-9]+\\.[0-9]+"})) return read_image(fetch_linux(kernel).image);
  throw lab_input_error(
      fmt::format("{}: no such kernel; a file is expected, or the series of one of Debian's, as 6.1", kernel));
}

}  // namespace pvmmu::lab
