#pragma once
// The steps of a recording of the real thing, in the order in which all comes out as recorded.

#include "tools/timeline/found_order.h"
#include "tools/timeline/recorded_steps.h"

namespace pvmmu::tools {

class real_steps final : public recorded_steps {
 public:
  /// Throws input_error for a file that cannot be read, std::invalid_argument for one that cannot be played.
  real_steps(const std::string& path, bool shows_progress);

  const recording::header& header() const override { return run_.header; }
  const std::optional<std::string>& torn() const override { return run_.torn; }
  const std::optional<machine_state>& before() const override { return run_.before; }
  const machine_state* after() const override { return run_.after ? &*run_.after : nullptr; }
  u64 size() const override { return places_.size(); }
  u64 piece_in(u64 place) const override { return order_.pieces()[place]; }
  u64 place_of(u64 piece) const override { return places_[piece]; }
  u64 overlapping() const override { return order_.overlapping(); }
  const recording::piece& piece(u64 number) override { return run_.pieces[number]; }
  const recording::piece* rest(u64 place) override { return rest_of(run_.pieces, order_.pieces(), place); }
  std::vector<wire::note> notes_before(u64 piece) override;
  std::vector<wire::note> names() override;
  u64 image_before(u64) const override { return 0; }
  std::unique_ptr<xen::machine> machine_behind(u64) const override { return nullptr; }

 private:
  recorded_run run_;
  replay_order order_;
  std::vector<u64> places_;  ///< of each piece, in the order
};

}  // namespace pvmmu::tools
