#pragma once
// An archive as Linux takes it for its first file system (linux Documentation/driver-api/early-userspace/
// buffer-format.rst: "newc"). Archives may be concatenated: files of later ones are added.
//
//   cpio_archive archive;
//   archive.add_folder("bin");
//   archive.add_program("bin/busybox", bytes);
//   write(archive.finish());

#include <string>
#include <string_view>

#include "proto/abi/types.h"

namespace pvmmu::lab {

class cpio_archive {
 public:
  // Names have no slash in front. A folder comes before what is in it.
  void add_folder(std::string_view name);
  void add_program(std::string_view name, std::string_view bytes);
  void add_link(std::string_view name, std::string_view target);
  void add_character_device(std::string_view name, u32 major, u32 minor);

  /// The archive with its end. Nothing may be added after that.
  std::string finish();

 private:
  void add(std::string_view name, u32 mode, std::string_view bytes, u32 major = 0, u32 minor = 0);

  std::string archive_;
  u32 inode_ = 0;
};

}  // namespace pvmmu::lab
