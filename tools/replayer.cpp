#include "tools/replayer.h"

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "hypervisor-model/hypercall.h"
#include "proto/abi/errno.h"
#include "tools/left_calls.h"

namespace pvmmu::tools {
namespace {

using google::protobuf::util::MessageDifferencer;

constexpr u64 accessed_dirty = PAGE_ACCESSED | PAGE_DIRTY;
constexpr std::size_t differences_kept = 20;  // of each kind

std::vector<recording::loaded_tables> checked_vcpus(std::vector<recording::loaded_tables> vcpus) {
  if (vcpus.empty() || vcpus.size() > max_vcpus_per_domain)
    throw std::invalid_argument(fmt::format("{} vCPUs: 1 to {} are expected", vcpus.size(), max_vcpus_per_domain));
  return vcpus;
}

std::string describe(long result) {
  const std::string_view name = errno_name(result);
  return name.empty() ? fmt::to_string(result) : fmt::format("{} ({})", result, name);
}

}  // namespace

replayer::replayer(u64 machine_frames, std::vector<recording::loaded_tables> vcpus, replay_report& report)
    : m_({.frames = machine_frames}),
      d_(xen::load_domain(m_, static_cast<u32>(vcpus.size()))),
      roots_(checked_vcpus(std::move(vcpus))),
      report_(report),
      preemption_(*this) {}

void replayer::differ(replay_report::kind kind, const std::string& text) {
  ++report_.differ[kind];
  auto& kept = report_.first_differences[kind];
  if (kept.size() < differences_kept) kept.push_back(text);
}

mfn_t replayer::checked(u64 mfn) const {
  if (mfn >= m_.config().frames)
    throw std::invalid_argument(fmt::format("mfn {:#x}: frames below {:#x} are expected", mfn, m_.config().frames));
  return {mfn};
}

xen::vcpu& replayer::vcpu_of(const recording::piece& piece) const {
  if (piece.domid() == 0 && piece.vcpu() < d_.vcpus.size()) return *d_.vcpus[piece.vcpu()];
  throw std::invalid_argument(fmt::format("piece {}: a call of domain {}, vCPU {}: dom0's first {} are expected",
                                          number_, piece.domid(), piece.vcpu(), d_.vcpus.size()));
}

// ---- the state before

void replayer::load(mfn_t first, const frame_run& run) {
  if (first.n + run.length > m_.config().frames)
    throw std::invalid_argument(fmt::format("frames up to {:#x}: frames below {:#x} are expected",
                                            first.n + run.length - 1, m_.config().frames));
  xen::load_frames(m_, d_, first, run.length, run.state);
}

void replayer::load(const recording::table& table) {
  const auto words = decode_table(table);
  if (!words) throw std::invalid_argument(words.error());
  xen::load_table(m_, checked(table.mfn()), *words);
}

void replayer::start() {
  for (std::size_t i = 0; i < roots_.size(); ++i)
    xen::load_roots(m_, *d_.vcpus[i], checked(roots_[i].kernel_mfn()), checked(roots_[i].user_mfn()));
  if (const auto wrong = xen::find_contradiction(m_))
    throw std::invalid_argument("the first snapshot contradicts itself: " + *wrong);
  m_.listen(&preemption_);
  m_.preempt_by(&preemption_);
}

// ---- the calls

void replayer::replay_piece(std::span<const recording::piece> pieces, std::span<const u32> order, std::size_t place) {
  piece_ = &pieces[order[place]];
  number_ = order[place] + 1;
  ++report_.calls;
  take_contents(0);
  if (piece_->has_write()) return replay_write(*piece_);
  if (!piece_->has_call()) throw std::invalid_argument(fmt::format("piece {} asks for nothing", number_));
  const recording::piece* rest = nullptr;
  check_counts(*piece_);
  if (was_left(*piece_)) {
    const auto behind = order.subspan(place + 1);
    const auto later = std::ranges::find_if(behind, [&](u32 number) { return continues(*piece_, pieces[number]); });
    if (later != behind.end()) {
      rest = &pieces[*later];
    } else if (!piece_->call().has_memory_op()) {
      throw std::invalid_argument(fmt::format("piece {} was left, and no later one goes on with it", number_));
    }
  }
  replay_call(*piece_, rest);
}

void replayer::before_multicall_entry(u32 entry) {
  if (entry == 0 && entries_before_ != 0) return;  // taken up again
  ++report_.calls;
  if (entry != 0) take_contents(entries_before_ + entry);
}

/// What the recording says that tables held before this entry. The model knows better only of tables in use.
void replayer::take_contents(u32 entry) {
  for (const recording::content& content : piece_->contents()) {
    if (content.before_entry() != entry) continue;
    const auto words = decode_table(content.table());
    if (!words) throw std::invalid_argument(fmt::format("piece {}: {}", number_, words.error()));
    const mfn_t table = checked(content.table().mfn());
    const xen::page_info& pg = m_.page(table);
    if (xen::table_level(pg.type_info) != 0 && pg.type_count() != 0) {
      compare_words(table, *words, fmt::format("before piece {}", number_));
    } else {
      xen::load_table(m_, table, *words);
    }
  }
}

/// The real hypervisor chose these frames, and no guest's call tells which.
void replayer::offer_frames(const recording::piece& piece) {
  if (!piece.call().has_memory_op()) return;
  const u64 done = piece.call().memory_op().cmd() >> MEMOP_EXTENT_SHIFT;
  const auto& extents = piece.outcome().memory_op().extents();
  std::vector<mfn_t> firsts;
  for (u64 i = done; i < static_cast<u64>(extents.size()); ++i) firsts.push_back({extents[static_cast<int>(i)]});
  m_.offer_frames(firsts);
}

/// Runs the decoded call to its end, or to where it was left.
long replayer::run(const recording::piece& piece, const recording::piece* rest) {
  xen::vcpu& curr = vcpu_of(piece);
  entries_before_ = 0;
  preempted_ = false;
  preemption_.begin_piece(rest ? std::optional(where_left(decoded_.call(), piece, rest->call())) : std::nullopt);
  for (;;) {
    const u32 all = entries_left(decoded_.call());
    const long result = xen::do_hypercall_piece(m_, curr, decoded_.call());
    // A check does not tell whether it comes before an entry or while the one before is being handled, which is then
    // done again. Whatever the schedule, the state comes out the same; so the model goes on until it is where the real
    // hypervisor was.
    preempted_ = preempted_ || preemption_.fired();
    if (!rest || !preemption_.fired()) return result;
    const preempted_at where = where_left(decoded_.call(), piece, rest->call());
    if (where.entries == 0 && where.in_multicall.value_or(0) == 0) return result;
    entries_before_ += all - entries_left(decoded_.call());
    preemption_.begin_piece(where);
  }
}

void replayer::replay_call(const recording::piece& piece, const recording::piece* rest) {
  wire::hypercall call = piece.call();
  wire::call_outcome expected = piece.outcome();
  const u32 missing = add_missing_entries(piece, rest, call, expected);
  if (const auto decoded = decoded_.decode(call); !decoded)
    throw std::invalid_argument(fmt::format("piece {}: {}", number_, decoded.error()));
  offer_frames(piece);
  const long result = run(piece, rest);
  report_.calls -= missing;

  wire::call_outcome found;
  decoded_.encode_outcome(result, found);
  const u64 differed = report_.differ[replay_report::results];
  compare_outcome(expected, found);
  if (!rest) return;
  compare_rest(*rest, decoded_.call());
  if (preempted_) {
    ++report_.true_preemptions;
  } else if (report_.differ[replay_report::results] == differed) {
    ++report_.continuations_predicted;
  }
}

void replayer::compare_outcome(const wire::call_outcome& expected, const wire::call_outcome& found) {
  const std::string_view name = hypercall_name(decoded_.call());
  if (expected.result() != found.result()) {
    differ(replay_report::results, fmt::format("piece {}: {} returned {}, expected {}", number_, name,
                                               describe(found.result()), describe(expected.result())));
  }
  if (!MessageDifferencer::Equals(expected.memory_op(), found.memory_op())) {
    differ(replay_report::results,
           fmt::format("piece {}: memory_op wrote {{ {} }}, expected {{ {} }}", number_,
                       found.memory_op().ShortDebugString(), expected.memory_op().ShortDebugString()));
  }
  const auto& list = piece_->call().multicall().call_list();
  for (int i = 0; i < expected.entries_size(); ++i) {
    if (i < list.size() && list[i].has_unknown()) continue;  // not for the model to answer
    if (i < found.entries_size() && found.entries(i).result() == expected.entries(i).result()) continue;
    differ(replay_report::results,
           fmt::format("piece {}: entry {} of the multicall returned {}, expected {}", number_, i,
                       i < found.entries_size() ? describe(found.entries(i).result()) : "nothing",
                       describe(expected.entries(i).result())));
  }
}

/// Holds the rest of a call that the model would go on with against what the real hypervisor went on with.
void replayer::compare_rest(const recording::piece& rest, const hypercall& found) {
  decoded_call expected;
  if (const auto decoded = expected.decode(rest.call()); !decoded)
    throw std::invalid_argument(fmt::format("the rest of piece {}: {}", number_, decoded.error()));
  wire::hypercall model_rest;
  wire::hypercall recorded_rest;
  encode(found, model_rest);
  encode(expected.call(), recorded_rest);
  if (model_rest.has_multicall() && recorded_rest.has_multicall()) {
    // Of its entries a recording knows those that ran: only the one that was left is part of both.
    const int known = last_entry_left(*piece_) ? 1 : 0;
    for (wire::hypercall* call : {&model_rest, &recorded_rest}) {
      auto& list = *call->mutable_multicall()->mutable_call_list();
      if (list.size() > known) list.DeleteSubrange(known, list.size() - known);
    }
  }
  if (MessageDifferencer::Equals(model_rest, recorded_rest)) return;
  differ(replay_report::results, fmt::format("piece {}: was left with {{ {} }}, expected {{ {} }}", number_,
                                             model_rest.ShortDebugString(), recorded_rest.ShortDebugString()));
}

// ---- emulated writes

/// Whether the model can be asked at all: Xen emulates writes to L1s of the domain only.
bool replayer::check_write(const recording::emulated_write& write, xen::ptwr_store& store) {
  const u32 bytes = write.bytes();
  const mfn_t table = maddr_to_mfn({write.maddr()});
  const bool sized =
      (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8) && (write.maddr() & PAGE_OFFSET_MASK) + bytes <= PAGE_SIZE;
  if (!sized || table.n >= m_.config().frames) {
    throw std::invalid_argument(
        fmt::format("piece {}: a write of {} bytes at {:#x}: 1, 2, 4 or 8 within a frame below "
                    "{:#x} are expected",
                    number_, bytes, write.maddr(), m_.config().frames));
  }
  const xen::page_info& pg = m_.page(table);
  store = {table, static_cast<unsigned>(write.maddr() & PAGE_OFFSET_MASK), bytes, write.value(), std::nullopt};
  if (write.has_expected()) store.expected = write.expected();
  return pg.owner == d_.owner() && xen::table_level(pg.type_info) == 1 && (pg.type_info & xen::PGT_validated) &&
         pg.type_count() != 0;
}

void replayer::adopt_accessed_dirty(const xen::ptwr_store& store) {
  const unsigned slot = store.offset / sizeof(pte_t);
  const unsigned shift = store.offset % sizeof(pte_t) * 8;
  const u64 mask = store.bytes == 8 ? ~u64{0} : (u64{1} << (store.bytes * 8)) - 1;
  const pte_t entry = m_.words(store.table)[slot];
  const pte_t recorded = (entry & ~(mask << shift)) | ((*store.expected & mask) << shift);
  // The processor sets them, in present entries, and never clears them.
  if (!present(entry) || recorded == entry || (recorded ^ entry) != (recorded & ~entry & accessed_dirty)) return;
  m_.words(store.table)[slot] = recorded;
  ++report_.accessed_dirty_adopted;
}

void replayer::replay_write(const recording::piece& piece) {
  xen::ptwr_store store;
  if (!check_write(piece.write(), store)) {
    differ(replay_report::results, fmt::format("piece {}: an emulated write to mfn {:#x}, which is no L1 of the domain",
                                               number_, store.table.n));
    return;
  }
  if (store.expected) adopt_accessed_dirty(store);
  m_.current = &vcpu_of(piece);
  preemption_.begin_piece(std::nullopt);
  const xen::ptwr_answer answer = xen::ptwr_emulated_update(m_, *m_.current, store);
  if ((answer.result == xen::ptwr_result::okay) == (piece.outcome().result() == 0)) return;
  differ(replay_report::results,
         fmt::format("piece {}: the emulated write to mfn {:#x} slot {} {}, expected that it {}; the entry held {:#x}",
                     number_, store.table.n, store.offset / sizeof(pte_t),
                     answer.result == xen::ptwr_result::okay ? "was done" : "was refused",
                     piece.outcome().result() == 0 ? "is done" : "is refused", answer.old));
}

// ---- the state afterwards

void replayer::compare(mfn_t first, const frame_run& run) {
  if (first.n + run.length > m_.config().frames)
    throw std::invalid_argument(fmt::format("frames up to {:#x}: frames below {:#x} are expected",
                                            first.n + run.length - 1, m_.config().frames));
  for (u64 n = first.n; n < first.n + run.length; ++n) {
    const xen::frame_record found = xen::state_of(m_, d_, {n});
    if (found.owner == xen::frame_owner::nobody && run.state.owner == xen::frame_owner::nobody) continue;
    ++report_.frames_compared;
    const xen::frame_record& expected = run.state;
    if (found.owner == expected.owner && found.count_info == expected.count_info &&
        found.type_info == expected.type_info) {
      continue;
    }
    differ(replay_report::frames,
           fmt::format("mfn {:#x}: count_info {:016x} type_info {:016x} owner {}, expected {:016x} {:016x} {}", n,
                       found.count_info, found.type_info, static_cast<int>(found.owner), expected.count_info,
                       expected.type_info, static_cast<int>(expected.owner)));
  }
}

void replayer::compare(const recording::table& table) {
  const auto words = decode_table(table);
  if (!words) throw std::invalid_argument(words.error());
  ++report_.tables_compared;
  compare_words(checked(table.mfn()), *words, "at the end");
}

void replayer::compare_words(mfn_t table, const table_words& expected, std::string_view when) {
  const pte_t* const found = m_.words(table);
  for (unsigned slot = 0; slot < entries_per_table; ++slot) {
    if (((found[slot] ^ expected[slot]) & ~accessed_dirty) == 0) continue;
    differ(replay_report::table_entries, fmt::format("mfn {:#x} slot {} {}: {:#x}, expected {:#x}", table.n, slot, when,
                                                     found[slot], expected[slot]));
  }
}

}  // namespace pvmmu::tools
