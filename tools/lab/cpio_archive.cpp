#include "tools/lab/cpio_archive.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <iterator>
#include <utility>

namespace pvmmu::lab {
namespace {

void pad_to_4(std::string& archive) { archive.resize((archive.size() + 3) & ~std::size_t{3}); }

}  // namespace

void cpio_archive::add_folder(std::string_view name) { add(name, S_IFDIR | 0755, ""); }
void cpio_archive::add_program(std::string_view name, std::string_view bytes) { add(name, S_IFREG | 0755, bytes); }
void cpio_archive::add_link(std::string_view name, std::string_view target) { add(name, S_IFLNK | 0777, target); }
void cpio_archive::add_character_device(std::string_view name, u32 major, u32 minor) {
  add(name, S_IFCHR | 0600, "", major, minor);
}

std::string cpio_archive::finish() {
  add("TRAILER!!!", 0, "");
  return std::exchange(archive_, {});
}

void cpio_archive::add(std::string_view name, u32 mode, std::string_view bytes, u32 major, u32 minor) {
  const std::size_t name_bytes = name.size() + 1;
  // Magic; inode, mode, owner, group, links, time, size, device it lies on (two numbers), device that it is (two
  // numbers), size of the name, checksum.
  fmt::format_to(std::back_inserter(archive_),
                 "070701{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}", ++inode_, mode,
                 0, 0, 1, 0, bytes.size(), 0, 0, major, minor, name_bytes, 0);
  archive_.append(name).push_back('\0');
  pad_to_4(archive_);
  archive_.append(bytes);
  pad_to_4(archive_);
}

}  // namespace pvmmu::lab
