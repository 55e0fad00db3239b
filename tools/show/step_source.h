#pragma once
// Where the browser has its steps from. They have places, from 0 on, in the order in which they were made.

#include <map>
#include <optional>
#include <vector>

#include "tools/show/step_facts.h"
#include "tools/why/frame_account.h"

namespace pvmmu::tools {

class step_source {
 public:
  virtual ~step_source() = default;
  virtual std::size_t size() const = 0;
  /// Valid until the next call.
  virtual const step_facts& facts(std::size_t place) = 0;
  /// The page tables behind the step.
  virtual text_block tree(std::size_t place) = 0;
  /// Who holds the frame behind the step. Throws input_error for a frame that the machine does not have.
  virtual text_block why(std::size_t place, mfn_t mfn) = 0;
  virtual std::optional<std::size_t> place_of(u64 number) const = 0;
};

/// The steps of a recording. Those of a stretch are made together, and what was said of them is kept for a while: going
/// back costs no more than going forward.
class timeline_steps : public step_source {
 public:
  explicit timeline_steps(timeline& t);
  std::size_t size() const override { return order_.size(); }
  const step_facts& facts(std::size_t place) override;
  text_block tree(std::size_t place) override;
  text_block why(std::size_t place, mfn_t mfn) override;
  std::optional<std::size_t> place_of(u64 number) const override;

 private:
  using stretch = std::vector<step_facts>;
  stretch& stretch_of(std::size_t place);

  timeline& timeline_;
  std::vector<u64> order_;                    ///< numbers, by place
  std::map<std::size_t, stretch> stretches_;  ///< by place of the first, divided by their length
  const frame_names names_;
  std::optional<xens_share> share_;  ///< nothing: nobody asked why yet
};

}  // namespace pvmmu::tools
