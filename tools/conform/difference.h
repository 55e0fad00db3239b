#pragma once
// What the real Xen and the model do not agree on.

#include <optional>
#include <span>
#include <string>

#include "tools/lab/memory_image.h"
#include "tools/lab/program.h"

namespace pvmmu::conform {

struct difference {
  std::string where;  ///< "call 3, entry 1", "frame 2, slot 17"
  std::string real;
  std::string model;
};

/// One line: "-EINVAL, done 2", "0; entries 0 -ESRCH", "#PF error 3 at 0x…".
std::string describe(const lab::answer& a);

/// The first difference of one program: in what a call answered, in where it crashed, and in the end in the counts, the
/// type or one of the 512 words of a frame: its own, adopted ones, its window's L1, the foreign domain's.
std::optional<difference> compare(const lab::program_answer& real, const lab::memory_image& real_memory,
                                  const lab::program_answer& model, const lab::memory_image& model_memory);

/// The same for the records of its frames once the foreign domain has been destroyed.
std::optional<difference> compare_after_foreign(const lab::program_answer& real,
                                                std::span<const xen::page_info> real_frames,
                                                const lab::memory_image& model);

/// The same for the frames that all programs of a session share: the tables above the windows, Xen's own pages.
std::optional<difference> compare_shared(const lab::placement& where, const lab::memory_image& real,
                                         const lab::memory_image& model);

}  // namespace pvmmu::conform
