#include "tools/timeline/model_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "hypervisor-model/machine_image_check.h"
#include "tools/command.h"
#include "tools/image/image_records.h"

namespace pvmmu::tools {
namespace {

/// Stretches that are kept: the one that is gone through, and its neighbour.
constexpr std::size_t stretches_kept = 2;

recording_reader open_reader(const std::string& path) {
  auto reader = recording_reader::open(path);
  if (!reader) throw input_error(reader.error());
  return *std::move(reader);
}

recording_reader open_at(const std::string& path, const stream_begin& stream) {
  recording_reader reader = open_reader(path);
  reader.go_to(stream);
  return reader;
}

std::optional<recording::record> next(recording_reader& reader) {
  auto record = reader.next();
  if (!record) throw input_error(record.error());
  return *std::move(record);
}

}  // namespace

model_steps::model_steps(std::string path)
    : path_(std::move(path)), header_(open_reader(path_).header()), streams_(find_streams(path_)) {
  check_streams();
  forget_images_of_other_versions();
  size_ = streams_.back().pieces_before + stretch_at(streams_.size() - 1).pieces.size();
}

void model_steps::check_streams() const {
  if (!streams_.empty() && streams_.front().pieces_before == 0 &&
      std::ranges::is_sorted(streams_, {}, &stream_begin::pieces_before))
    return;
  throw input_error(path_ + ": its streams do not say in ascending order how many pieces are before them");
}

/// Without images all is played from the first piece on.
void model_steps::forget_images_of_other_versions() {
  for (stream_begin& stream : streams_) {
    if (!stream.has_image) continue;
    recording_reader reader = open_at(path_, stream);
    const auto first = next(reader);
    if (first && first->machine_image().version() == machine_image_version) return;  // one pvmmu wrote them all
    stream.has_image = false;
  }
}

/// Up to the next stream, or to the end.
model_steps::stretch model_steps::read(std::size_t stream) {
  recording_reader reader = open_at(path_, streams_[stream]);
  const bool is_last = stream + 1 == streams_.size();
  const u64 pieces = is_last ? ~u64{0} : streams_[stream + 1].pieces_before - streams_[stream].pieces_before;
  stretch found{.stream = stream, .notes = {{}}};
  while (is_last || found.pieces.size() < pieces) {
    auto record = next(reader);
    if (!record && is_last) break;
    if (!record) throw input_error(reader.complaint(fmt::format("{} more pieces are expected", pieces)));
    switch (record->what_case()) {
      case recording::record::kPiece:
        found.pieces.push_back(std::move(*record->mutable_piece()));
        found.notes.emplace_back();
        break;
      case recording::record::kNote: found.notes.back().push_back(std::move(*record->mutable_note())); break;
      case recording::record::kMachineImage:
      case recording::record::kImagePages: break;
      default: throw input_error(reader.complaint("a piece, a note or an image of the machine is expected"));
    }
  }
  if (is_last) torn_ = reader.torn();
  return found;
}

std::size_t model_steps::stream_of(u64 piece) const {
  const auto behind = std::ranges::upper_bound(streams_, piece, {}, &stream_begin::pieces_before);
  return static_cast<std::size_t>(std::distance(streams_.begin(), behind)) - 1;
}

model_steps::stretch& model_steps::stretch_at(std::size_t stream) {
  const auto known = std::ranges::find(read_, stream, &stretch::stream);
  if (known != read_.end()) {
    read_.splice(read_.begin(), read_, known);
  } else {
    read_.push_front(read(stream));
    if (read_.size() > stretches_kept) read_.pop_back();
  }
  return read_.front();
}

const recording::piece& model_steps::piece(u64 number) {
  const std::size_t stream = stream_of(number);
  return stretch_at(stream).pieces.at(number - streams_[stream].pieces_before);
}

std::vector<wire::note> model_steps::notes_before(u64 piece) {
  const std::size_t stream = stream_of(piece);
  return stretch_at(stream).notes.at(piece - streams_[stream].pieces_before);
}

/// Only streams that have some are unpacked.
std::vector<wire::note> model_steps::names() {
  std::vector<wire::note> found;
  for (std::size_t stream = 0; stream < streams_.size(); ++stream) {
    if (!streams_[stream].has_names) continue;
    for (const auto& notes : stretch_at(stream).notes)
      std::ranges::copy_if(notes, std::back_inserter(found), names_frame);
  }
  return found;
}

const stream_begin* model_steps::stream_with_image(u64 made) const {
  for (std::size_t stream = stream_of(made) + 1; stream-- > 0;)
    if (streams_[stream].has_image) return &streams_[stream];
  return nullptr;
}

u64 model_steps::image_before(u64 made) const {
  const stream_begin* const stream = stream_with_image(made);
  return stream ? stream->pieces_before : 0;
}

std::unique_ptr<xen::machine> model_steps::machine_behind(u64 made) const {
  recording_reader reader = open_at(path_, *stream_with_image(made));
  try {
    auto record = next(reader);
    if (!record || !record->has_machine_image()) throw std::invalid_argument("an image of the machine is expected");
    image_builder builder(header_, record->machine_image());
    while (!builder.complete()) {
      record = next(reader);
      if (!record || !record->has_image_pages()) throw std::invalid_argument("more pages of the image are expected");
      builder.take(record->image_pages());
    }
    auto m = xen::restore_checked(builder.finish());
    if (!m) throw std::invalid_argument(m.error());
    return *std::move(m);
  } catch (const std::invalid_argument& e) {
    throw input_error(reader.complaint(e.what()));
  }
}

}  // namespace pvmmu::tools
