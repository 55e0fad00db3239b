#pragma once
// Where a timeline's steps come from: a recording of the real thing, which is read whole because its calls may have
// overlapped (real_steps.h), or one of the model, which is read where it is looked at (model_steps.h).

#include "recording.pb.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hypervisor-model/machine/machine.h"
#include "tools/snapshot_records.h"

namespace pvmmu::tools {

inline bool names_frame(const wire::note& note) { return note.kind() == wire::note::frame_name; }

class recorded_steps {
 public:
  /// Throws input_error for a file that cannot be read, std::invalid_argument for one that cannot be played.
  static std::unique_ptr<recorded_steps> open(const std::string& path, bool shows_progress);
  virtual ~recorded_steps() = default;

  virtual const recording::header& header() const = 0;
  virtual const std::optional<std::string>& torn() const = 0;
  /// The machine before the first piece; nothing: it is new.
  virtual const std::optional<machine_state>& before() const = 0;
  /// … and behind the last; nullptr: not recorded.
  virtual const machine_state* after() const { return nullptr; }

  /// Pieces. They have numbers from 0 on, and places in the order in which they are made.
  virtual u64 size() const = 0;
  virtual u64 piece_in(u64 place) const = 0;
  virtual u64 place_of(u64 piece) const = 0;
  /// Those that were entered before an earlier one was left.
  virtual u64 overlapping() const { return 0; }

  // Valid until another piece is asked for. Throw input_error where the file is damaged.
  virtual const recording::piece& piece(u64 number) = 0;
  /// What goes on with the piece in this place; nullptr: it came to its end.
  virtual const recording::piece* rest(u64 place) = 0;
  /// size(): those behind the last.
  virtual std::vector<wire::note> notes_before(u64 piece) = 0;
  /// Those that name frames, from everywhere.
  virtual std::vector<wire::note> names() = 0;

  /// The recording's last image of the machine that is behind at most `made` pieces: behind how many. 0: there is none.
  virtual u64 image_before(u64 made) const = 0;
  /// The machine behind `made` pieces, which image_before told. Throws input_error for an image that cannot be.
  virtual std::unique_ptr<xen::machine> machine_behind(u64 made) const = 0;
};

}  // namespace pvmmu::tools
