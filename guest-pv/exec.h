#pragma once
// execve: linux 6.1 fs/exec.c, fs/binfmt_elf.c load_elf_binary.

#include "guest-pv/exec_image.h"
#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// Makes of the new, empty `next` what a process has when its program begins, and loads it on this CPU. The program
/// that it replaces, if any, ends on the way. -EINVAL for an image that no file can have.
mm_result<void> do_execve(kernel_state& k, mm& next, const exec_image& image, mm* replaced);

}  // namespace pvmmu::guest
