#pragma once
// The steps of a recording of the model, read when they are asked for: from one place where a reader may begin to the
// next (tools/recording_streams.h), so that a file of a million calls is entered anywhere at once.
//
//   model_steps steps("x.rec");
//   steps.piece(700'000)                   // unpacks what lies between two images
//   steps.image_before(700'000)            // the nearest one: behind how many pieces it is
//
// Short recordings have no images, and are read whole.

#include <list>

#include "tools/recording_file.h"
#include "tools/timeline/recorded_steps.h"

namespace pvmmu::tools {

class model_steps final : public recorded_steps {
 public:
  /// Throws input_error for a file that cannot be read, and for records that make no recording of the model.
  explicit model_steps(std::string path);

  const recording::header& header() const override { return header_; }
  const std::optional<std::string>& torn() const override { return torn_; }
  const std::optional<machine_state>& before() const override { return before_; }
  u64 size() const override { return size_; }
  u64 piece_in(u64 place) const override { return place; }
  u64 place_of(u64 piece) const override { return piece; }
  const recording::piece& piece(u64 number) override;
  const recording::piece* rest(u64) override { return nullptr; }
  std::vector<wire::note> notes_before(u64 piece) override;
  std::vector<wire::note> names() override;
  u64 image_before(u64 made) const override;
  std::unique_ptr<xen::machine> machine_behind(u64 made) const override;

 private:
  /// What a stream holds.
  struct stretch {
    std::size_t stream = 0;
    std::vector<recording::piece> pieces{};
    std::vector<std::vector<wire::note>> notes{};  ///< before each of them, and behind the last
  };

  void check_streams() const;
  void forget_images_of_other_versions();
  stretch& stretch_at(std::size_t stream);
  stretch read(std::size_t stream);
  /// The stream with that piece.
  std::size_t stream_of(u64 piece) const;
  /// nullptr: none has an image that is behind at most so many pieces.
  const stream_begin* stream_with_image(u64 made) const;

  std::string path_;
  recording::header header_;
  std::vector<stream_begin> streams_;
  u64 size_ = 0;
  std::optional<std::string> torn_;
  std::optional<machine_state> before_;  ///< nothing: the machine is new
  std::list<stretch> read_;              ///< what was asked for last in front
};

}  // namespace pvmmu::tools
