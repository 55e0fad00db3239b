#include "tools/timeline/timeline.h"

#include <cassert>
#include <stdexcept>
#include <utility>

#include "tools/command.h"
#include "tools/report/table_levels.h"
#include "tools/timeline/act_of.h"
#include "tools/timeline/found_order.h"
#include "tools/timeline/kept_images.h"
#include "tools/timeline/player.h"

namespace pvmmu::tools {

struct timeline::state : private event_sink {
  state(const std::string& recording_path, bool shows_progress)
      : path(recording_path), run(read_run(path)), order(find_order(run, shows_progress)), places(run.pieces.size()) {
    for (std::size_t place = 0; place < places.size(); ++place) places[order.pieces()[place]] = place;
    begin();
  }

  void begin() {
    step = {};
    made = 0;
    p = std::make_unique<player>(run.header, run.before);
  }

  void make_until(std::size_t end) {
    if (end == made) return;
    go_near(end);
    while (made + 1 < end) {
      play_next();
      if (images.wants(made, end)) images.keep(made, p->machine());
    }
    if (end == 0) return;
    make_step();
    if (images.wants(made, places.size())) images.keep(made, p->machine());
  }

  /// Goes on from where the machine stands, or from an image that is nearer, to make the steps up to `end`.
  void go_near(std::size_t end) {
    if (end == 0) return begin();
    const auto* const from = images.nearest(end - 1);
    if (made < end && (!from || from->first <= made)) return;
    if (!from) return begin();
    p->restore(from->second);
    made = from->first;
  }

  played_piece play_next() {
    const u32 index = order.pieces()[made];
    const recording::piece* const rest = run.before ? rest_of(run.pieces, order.pieces(), made) : nullptr;
    ++made;
    return p->play(u64{index} + 1, run.pieces[index], rest);
  }

  /// Makes the next piece and takes down what it does.
  void make_step() {
    const auto type_info_of = [this](mfn_t mfn) {
      return mfn.n < p->machine().config().frames ? p->machine().page(mfn).type_info : 0;
    };
    const u64 number = u64{order.pieces()[made]} + 1;
    const recording::piece& piece = run.pieces[number - 1];
    decoded_call call;
    std::map<u64, unsigned> levels;
    if (piece.has_call() && call.decode(piece.call())) add_table_levels(call.call(), type_info_of, levels);
    events.clear();
    p->listen(this);
    const played_piece played = play_next();
    p->listen(nullptr);
    step = {.number = number, .piece = piece, .act = act_of(played)};
    if (const auto notes = run.notes.find(number); notes != run.notes.end()) step.notes = notes->second;
    step.act.events = std::exchange(events, {});
    if (step.act.is_call()) add_table_levels(step.act.call->call(), type_info_of, levels);
    step.act.table_levels = std::move(levels);
    for (piece_difference& difference : differences_of(played)) step.differences.push_back(std::move(difference.text));
  }

  void on_event(const event& e) override {
    events.push_back({e.kind, e.slot, e.mfn, e.old, e.value, std::string(e.text)});
  }

  std::string path;
  recorded_run run;
  replay_order order;
  std::vector<std::size_t> places;  ///< of each piece, in the order
  std::unique_ptr<player> p;
  std::size_t made = 0;  ///< pieces
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

const recording::header& timeline::header() const { return state_->run.header; }

u64 timeline::size() const { return state_->run.pieces.size(); }

const std::map<u64, std::vector<wire::note>>& timeline::notes() const { return state_->run.notes; }

const std::optional<std::string>& timeline::torn() const { return state_->run.torn; }

void timeline::go_to(u64 number) {
  assert(number <= size());
  try {
    state_->make_until(number == 0 ? 0 : state_->places[number - 1] + 1);
  } catch (const std::invalid_argument& e) {
    state_->begin();
    throw input_error(state_->path + ": " + e.what());
  }
}

u64 timeline::next(u64 number) const {
  assert(number <= size());
  const std::size_t place = number == 0 ? 0 : state_->places[number - 1] + 1;
  return place < size() ? u64{state_->order.pieces()[place]} + 1 : 0;
}

u64 timeline::previous(u64 number) const {
  assert(number <= size());
  const std::size_t place = number == 0 ? 0 : state_->places[number - 1];
  return place > 0 ? u64{state_->order.pieces()[place - 1]} + 1 : 0;
}

u64 timeline::last() const { return size() == 0 ? 0 : u64{state_->order.pieces().back()} + 1; }

const timeline_step& timeline::step() const { return state_->step; }

xen::machine& timeline::machine() { return state_->p->machine(); }

}  // namespace pvmmu::tools
