#pragma once
// What execve finds in a program's file, as far as memory goes: which areas the new process is to have.
//
//   const exec_image image{.areas = {{.kind = image_area::text, .va = 0x400000, .len = 0x3000, .file = "workload"},
//                                    {.kind = image_area::stack, .va = 0x7ffffffde000, .len = 0x21000}}};

#include <string>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu::guest {

/// A PT_LOAD of the file or a part of one, or what the kernel adds. In bytes; all but a bss are whole pages.
struct image_area {
  enum area_kind : u8 {
    text,   ///< of the file, not writable
    data,   ///< of the file, private and writable
    bss,    ///< zeroes; where its first page is the data's last one, the rest of that page is cleared at once
    stack,  ///< as it is once execve has made room below what it wrote
    vdso,   ///< code of the kernel
    vvar,   ///< data of the kernel, which are no pages of anybody
  };
  area_kind kind = text;
  u64 va = 0;
  u64 len = 0;
  std::string file{};  ///< of text and data: the name that create_file gave it
  u64 pgoff = 0;       ///< of text and data: where in it, in pages
};

struct exec_image {
  std::vector<image_area> areas;  ///< in the order in which the kernel maps them; one stack
  u64 strings = 1;                ///< bytes of argv and environment, at the stack's end
  u64 tables = 1;                 ///< bytes of argc, argv, envp and auxv below them
};

}  // namespace pvmmu::guest
