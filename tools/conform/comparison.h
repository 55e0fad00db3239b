#pragma once
// The same programs on the real Xen and on the model: who says what.
//
//   comparison c = compare(real, programs, model, [&](const outcome& o) { … });

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tools/conform/difference.h"
#include "tools/lab/lab.h"

namespace pvmmu::conform {

/// What runs programs in the place of the real Xen: model_side, or a model in which something is broken on purpose.
class subject : public lab::memory_image {
 public:
  /// Runs one program with its names where they were on the real machine, which answered `real`: of that answer it uses
  /// which frames were handed out, nothing else. Programs of one machine come in the order of their windows.
  virtual lab::program_answer run(const lab::program& p, const lab::program_answer& real) = 0;
  /// After all programs.
  virtual void destroy_foreign_domain() = 0;
};
using subject_maker = std::function<std::unique_ptr<subject>(const lab::machine_facts&)>;

/// One program on both sides.
struct outcome {
  std::size_t program = 0;  ///< its index
  const lab::program_answer& real;
  const lab::program_answer& model;
  const std::optional<difference>& differs;
  const lab::session& session;  ///< the boot's
};

/// Programs that one boot of the real Xen has run, and what became of them.
struct boot {
  std::size_t first;  ///< index of programs[0] among all
  std::span<const lab::program> programs;
  lab::session session;
};

/// Runs all programs on the real Xen, in as many boots as it takes, and hands each to `take`, in order; the next one
/// runs meanwhile. Throws lab_error.
void run_boots(const lab::lab& real, std::span<const lab::program> programs,
               const std::function<void(const boot&)>& take);

struct comparison {
  u64 boots = 0;
  std::vector<difference> shared;  ///< in frames that all programs of a boot share
};

/// Runs one boot's programs on the model, hands every outcome to `take`, in order, and adds to `result`. Frames are
/// compared as the programs leave them, and their records once more when the foreign domain has been destroyed.
void compare(const boot& b, const subject_maker& make_subject, const std::function<void(const outcome&)>& take,
             comparison& result);

/// Runs all programs, in as many boots as it takes, and hands every outcome to `take`, in order. Throws lab_error.
comparison compare(const lab::lab& real, std::span<const lab::program> programs, const subject_maker& make_subject,
                   const std::function<void(const outcome&)>& take);

}  // namespace pvmmu::conform
