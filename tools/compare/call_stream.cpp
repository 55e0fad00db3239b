#include "tools/compare/call_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "hypervisor-model/machine/page_info.h"
#include "tools/command.h"
#include "tools/left_calls.h"
#include "tools/recording_file.h"

namespace pvmmu::compare {
namespace {

/// Frames that were page tables of one level.
struct level_run {
  u64 first = 0;
  u64 end = 0;
  unsigned level = 0;
};

/// Adds what `rest`, which goes on with `left`, the last piece so far of `whole`, tells beyond it.
void append(recording::piece& whole, const recording::piece& left, const recording::piece& rest) {
  whole.mutable_contents()->MergeFrom(rest.contents());
  if (!rest.call().has_multicall()) {
    *whole.mutable_outcome() = rest.outcome();
    return;
  }
  // Whatever the list held beyond the entries that ran comes again in the rest. So does the entry that was left, with
  // what was left of it; the first time it was whole.
  const int again = tools::last_entry_left(left) ? 1 : 0;
  auto& list = *whole.mutable_call()->mutable_multicall()->mutable_call_list();
  auto& outcomes = *whole.mutable_outcome()->mutable_entries();
  if (list.size() > outcomes.size()) list.DeleteSubrange(outcomes.size(), list.size() - outcomes.size());
  if (again != 0 && rest.outcome().entries_size() > 0) *outcomes.rbegin() = rest.outcome().entries(0);
  for (int i = again; i < rest.call().multicall().call_list_size(); ++i)
    *list.Add() = rest.call().multicall().call_list(i);
  for (int i = again; i < rest.outcome().entries_size(); ++i) *outcomes.Add() = rest.outcome().entries(i);
  whole.mutable_outcome()->set_result(rest.outcome().result());
}

class stream_reader {
 public:
  void take(recording::record&& record) {
    switch (record.what_case()) {
      case recording::record::kSnapshot: return begin(record.snapshot());
      case recording::record::kFrames: return take(record.frames());
      case recording::record::kTable: return take(record.table());
      case recording::record::kPiece: {
        tools::check_counts(record.piece());
        check_vcpus(record.piece().vcpu() + u64{1});
        pieces_.push_back(std::move(*record.mutable_piece()));
        return;
      }
      default: throw std::invalid_argument("a snapshot, frames, a table or a piece is expected");
    }
  }

  call_stream finish() {
    if (snapshots_ == 0) throw std::invalid_argument("a snapshot is expected before the calls");
    stream_.calls = join_pieces(std::move(pieces_));
    return std::move(stream_);
  }

 private:
  static void check_vcpus(u64 vcpus) {
    if (vcpus <= max_vcpus_per_domain) return;
    throw std::invalid_argument(fmt::format("{} vCPUs: at most {} are expected", vcpus, max_vcpus_per_domain));
  }

  void begin(const recording::snapshot& snapshot) {
    check_vcpus(static_cast<u64>(snapshot.vcpus_size()));
    if (snapshots_++ == 0) stream_.roots.assign(snapshot.vcpus().begin(), snapshot.vcpus().end());
  }

  void take(const recording::frame_runs& record) {
    if (snapshots_ != 1) return;
    const auto runs = tools::decode_frames(record);
    if (!runs) throw std::invalid_argument(runs.error());
    for (const tools::frame_run& run : *runs) {
      const unsigned level = xen::table_level(run.state.type_info);
      if (level != 0) levels_.push_back({next_frame_, next_frame_ + run.length, level});
      next_frame_ += run.length;
    }
  }

  void take(const recording::table& table) {
    if (snapshots_ != 1) return;
    const auto words = tools::decode_table(table);
    if (!words) throw std::invalid_argument(words.error());
    const auto after = std::ranges::upper_bound(levels_, table.mfn(), {}, &level_run::first);
    const bool is_one = after != levels_.begin() && table.mfn() < std::prev(after)->end;
    stream_.tables.push_back({{table.mfn()}, is_one ? std::prev(after)->level : 0, *words});
  }

  call_stream stream_;
  std::vector<level_run> levels_;
  std::vector<recording::piece> pieces_;
  u64 next_frame_ = 0;
  unsigned snapshots_ = 0;
};

}  // namespace

std::vector<whole_call> join_pieces(std::vector<recording::piece> pieces) {
  std::vector<bool> joined(pieces.size());
  std::vector<whole_call> calls;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (joined[i]) continue;
    recording::piece whole = pieces[i];
    for (std::size_t last = i; tools::was_left(pieces[last]);) {
      std::size_t next = last + 1;
      while (next < pieces.size() && (joined[next] || !tools::continues(pieces[last], pieces[next]))) ++next;
      if (next == pieces.size()) break;  // the recording ended meanwhile
      append(whole, pieces[last], pieces[next]);
      joined[next] = true;
      last = next;
    }
    calls.push_back({i + 1, std::move(whole)});
  }
  return calls;
}

call_stream read_calls(const std::string& recording_path) {
  auto reader = tools::recording_reader::open(recording_path);
  if (!reader) throw tools::input_error(reader.error());
  stream_reader stream;
  try {
    for (;;) {
      auto record = reader->next();
      if (!record) throw tools::input_error(record.error());
      if (!*record) break;
      stream.take(std::move(**record));
    }
    if (reader->torn())
      throw tools::input_error(
          fmt::format("{} is torn ({}): a whole recording is expected, as the last calls are compared too",
                      recording_path, *reader->torn()));
    call_stream all = stream.finish();
    all.header = reader->header();
    return all;
  } catch (const std::invalid_argument& e) {
    throw tools::input_error(reader->complaint(e.what()));
  }
}

}  // namespace pvmmu::compare
