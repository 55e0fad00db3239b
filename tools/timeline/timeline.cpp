#include "tools/timeline/timeline.h"

#include <algorithm>
#include <cassert>
#include <stdexcept>
#include <utility>

#include "tools/command.h"
#include "tools/report/table_levels.h"
#include "tools/timeline/act_of.h"
#include "tools/timeline/kept_images.h"
#include "tools/timeline/player.h"
#include "tools/timeline/recorded_steps.h"

namespace pvmmu::tools {

struct timeline::state : private event_sink {
  state(const std::string& recording_path, bool shows_progress)
      : path(recording_path), source(recorded_steps::open(path, shows_progress)) {
    begin();
  }

  void begin() {
    step = {};
    made = 0;
    p = std::make_unique<player>(source->header(), source->before());
  }

  void make_until(u64 end) {
    if (end == made) return;
    go_near(end);
    while (made + 1 < end) {
      play_next();
      if (images.wants(made, end)) images.keep(made, p->machine());
    }
    if (end == 0) return;
    make_step();
    if (images.wants(made, source->size())) images.keep(made, p->machine());
  }

  /// Goes on from where the machine stands, or from an image that is nearer, to make the steps up to `end`.
  void go_near(u64 end) {
    if (end == 0) return begin();
    const auto* const kept = images.nearest(end - 1);
    const u64 recorded = source->image_before(end - 1);
    const u64 from = std::max(kept ? kept->first : 0, recorded);
    if (made < end && from <= made) return;
    if (from == 0) return begin();
    const bool is_kept = kept && kept->first == from;
    p->go_on_with(is_kept ? xen::restore(kept->second) : source->machine_behind(from));
    made = from;
    if (!is_kept) images.keep(made, p->machine());
  }

  played_piece play_next() {
    const u64 number = source->piece_in(made);
    const recording::piece* const rest = source->rest(made);
    ++made;
    return p->play(number + 1, source->piece(number), rest);
  }

  /// Makes the next piece and takes down what it does.
  void make_step() {
    const auto type_info_of = [this](mfn_t mfn) {
      return mfn.n < p->machine().config().frames ? p->machine().page(mfn).type_info : 0;
    };
    const u64 number = source->piece_in(made) + 1;
    const recording::piece& piece = source->piece(number - 1);
    decoded_call call;
    std::map<u64, unsigned> levels;
    if (piece.has_call() && call.decode(piece.call())) add_table_levels(call.call(), type_info_of, levels);
    events.clear();
    p->listen(this);
    const played_piece played = play_next();
    p->listen(nullptr);
    step = {.number = number, .piece = piece, .notes = source->notes_before(number - 1), .act = act_of(played)};
    step.act.events = std::exchange(events, {});
    if (step.act.is_call()) add_table_levels(step.act.call->call(), type_info_of, levels);
    step.act.table_levels = std::move(levels);
    for (piece_difference& difference : differences_of(played)) step.differences.push_back(std::move(difference.text));
  }

  void on_event(const event& e) override {
    events.push_back({e.kind, e.slot, e.mfn, e.old, e.value, std::string(e.text)});
  }

  std::string path;
  std::unique_ptr<recorded_steps> source;
  std::unique_ptr<player> p;
  u64 made = 0;  ///< pieces
  kept_images images;
  timeline_step step;
  std::vector<owned_event> events;
};

timeline::timeline(std::unique_ptr<state> s) : state_(std::move(s)) {}
timeline::timeline(timeline&&) noexcept = default;
timeline& timeline::operator=(timeline&&) noexcept = default;
timeline::~timeline() = default;

timeline timeline::open(const std::string& path, bool shows_progress) {
  try {
    return timeline(std::make_unique<state>(path, shows_progress));
  } catch (const std::invalid_argument& e) {
    throw input_error(path + ": " + e.what());
  }
}

const recording::header& timeline::header() const { return state_->source->header(); }

u64 timeline::size() const { return state_->source->size(); }

std::vector<wire::note> timeline::notes_before(u64 number) const {
  assert(number != 0 && number <= size() + 1);
  return state_->source->notes_before(number - 1);
}

std::vector<wire::note> timeline::names() const { return state_->source->names(); }

const std::optional<std::string>& timeline::torn() const { return state_->source->torn(); }

void timeline::go_to(u64 number) {
  assert(number <= size());
  try {
    state_->make_until(number == 0 ? 0 : state_->source->place_of(number - 1) + 1);
  } catch (const std::invalid_argument& e) {
    state_->begin();
    throw input_error(state_->path + ": " + e.what());
  } catch (const input_error&) {
    state_->begin();
    throw;
  }
}

u64 timeline::next(u64 number) const {
  assert(number <= size());
  const u64 place = number == 0 ? 0 : state_->source->place_of(number - 1) + 1;
  return place < size() ? state_->source->piece_in(place) + 1 : 0;
}

u64 timeline::previous(u64 number) const {
  assert(number <= size());
  const u64 place = number == 0 ? 0 : state_->source->place_of(number - 1);
  return place > 0 ? state_->source->piece_in(place - 1) + 1 : 0;
}

u64 timeline::last() const { return size() == 0 ? 0 : state_->source->piece_in(size() - 1) + 1; }

const timeline_step& timeline::step() const { return state_->step; }

xen::machine& timeline::machine() { return state_->p->machine(); }

}  // namespace pvmmu::tools
