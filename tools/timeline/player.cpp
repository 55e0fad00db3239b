#include "tools/timeline/player.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "hypervisor-model/hypercall.h"
#include "tools/left_calls.h"

namespace pvmmu::tools {

player::player(const recorded_run& run)
    : run_(run),
      m_(std::make_unique<xen::machine>(machine_config{.frames = run.header.machine_frames()})),
      preemption_(*this) {
  load();
  m_->listen(this);
  m_->preempt_by(&preemption_);
}

void player::load() {
  xen::domain& d = xen::load_domain(*m_, static_cast<u32>(run_.before.vcpus.size()));
  mfn_t first{};
  for (const frame_run& run : run_.before.frames) {
    xen::load_frames(*m_, d, first, run.length, run.state);
    first = first + run.length;
  }
  for (const auto& [mfn, words] : run_.before.tables) xen::load_table(*m_, mfn, words);
  for (std::size_t i = 0; i < d.vcpus.size(); ++i) {
    const recording::loaded_tables& roots = run_.before.vcpus[i];
    xen::load_roots(*m_, *d.vcpus[i], {roots.kernel_mfn()}, {roots.user_mfn()});
  }
  if (const auto wrong = xen::find_contradiction(*m_))
    throw std::invalid_argument("the first snapshot contradicts itself: " + *wrong);
}

mfn_t player::checked(u64 mfn) const {
  if (mfn >= m_->config().frames)
    throw std::invalid_argument(fmt::format("mfn {:#x}: frames below {:#x} are expected", mfn, m_->config().frames));
  return {mfn};
}

xen::vcpu& player::asking_vcpu() const {
  const recording::piece& piece = *played_.asked;
  const xen::domain& d = *m_->domains().front();
  if (piece.domid() == 0 && piece.vcpu() < d.vcpus.size()) return *d.vcpus[piece.vcpu()];
  throw std::invalid_argument(fmt::format("piece {}: a call of domain {}, vCPU {}: dom0's first {} are expected",
                                          played_.number, piece.domid(), piece.vcpu(), d.vcpus.size()));
}

played_piece player::play(std::span<const u32> order, std::size_t place) {
  played_ = {.number = u64{order[place]} + 1, .asked = &run_.pieces[order[place]]};
  entries_before_ = 0;
  take_contents(0);
  if (played_.asked->has_write()) {
    play_write();
  } else if (played_.asked->has_call()) {
    check_counts(*played_.asked);
    find_rest(order.subspan(place + 1));
    play_call();
  } else {
    throw std::invalid_argument(fmt::format("piece {} asks for nothing", played_.number));
  }
  return std::move(played_);
}

void player::on_event(const event& e) {
  preemption_.on_event(e);
  if (sink_) sink_->on_event(e);
}

// ---- calls

void player::find_rest(std::span<const u32> behind) {
  if (!was_left(*played_.asked)) return;
  const auto goes_on = [this](u32 number) { return continues(*played_.asked, run_.pieces[number]); };
  const auto later = std::ranges::find_if(behind, goes_on);
  if (later != behind.end()) {
    played_.rest = &run_.pieces[*later];
  } else if (!played_.asked->call().has_memory_op()) {
    throw std::invalid_argument(fmt::format("piece {} was left, and no later one goes on with it", played_.number));
  }
}

void player::before_multicall_entry(u32 entry) {
  if (entry == 0 && entries_before_ != 0) return;  // taken up again
  ++played_.multicall_entries;
  if (entry != 0) take_contents(entries_before_ + entry);
}

/// What the recording says that tables held before this entry. The model knows better only of tables in use.
void player::take_contents(u32 entry) {
  for (const recording::content& content : played_.asked->contents()) {
    if (content.before_entry() != entry) continue;
    const auto words = decode_table(content.table());
    if (!words) throw std::invalid_argument(fmt::format("piece {}: {}", played_.number, words.error()));
    const mfn_t table = checked(content.table().mfn());
    const xen::page_info& pg = m_->page(table);
    if (xen::table_level(pg.type_info) != 0 && pg.type_count() != 0) {
      add_other_entries(table, m_->words(table), words->data(), played_.other_entries);
    } else {
      xen::load_table(*m_, table, *words);
    }
  }
}

/// The real hypervisor chose these frames, and no guest's call tells which.
void player::offer_frames() {
  const recording::piece& piece = *played_.asked;
  if (!piece.call().has_memory_op()) return;
  const u64 done = piece.call().memory_op().cmd() >> MEMOP_EXTENT_SHIFT;
  const auto& extents = piece.outcome().memory_op().extents();
  std::vector<mfn_t> firsts;
  for (u64 i = done; i < static_cast<u64>(extents.size()); ++i) firsts.push_back({extents[static_cast<int>(i)]});
  m_->offer_frames(firsts);
}

/// Runs the decoded call to its end, or to where it was left.
long player::run_call() {
  const auto left_at = [this] { return where_left(decoded_.call(), *played_.asked, played_.rest->call()); };
  xen::vcpu& curr = asking_vcpu();
  preemption_.begin_piece(played_.rest ? std::optional(left_at()) : std::nullopt);
  for (;;) {
    const u32 all = entries_left(decoded_.call());
    const long result = xen::do_hypercall_piece(*m_, curr, decoded_.call());
    // A check does not tell whether it comes before an entry or while the one before is being handled, which is then
    // done again. Whatever the schedule, the state comes out the same; so the model goes on until it is where the real
    // hypervisor was.
    played_.truly_preempted = played_.truly_preempted || preemption_.fired();
    if (!played_.rest || !preemption_.fired()) return result;
    const preempted_at where = left_at();
    if (where.entries == 0 && where.in_multicall.value_or(0) == 0) return result;
    entries_before_ += all - entries_left(decoded_.call());
    preemption_.begin_piece(where);
  }
}

void player::play_call() {
  played_.call = played_.asked->call();
  played_.expected = played_.asked->outcome();
  const u32 missing = add_missing_entries(*played_.asked, played_.rest, played_.call, played_.expected);
  if (const auto decoded = decoded_.decode(played_.call); !decoded)
    throw std::invalid_argument(fmt::format("piece {}: {}", played_.number, decoded.error()));
  offer_frames();
  const long result = run_call();
  played_.multicall_entries -= missing;
  decoded_.encode_outcome(result, played_.found);
  if (played_.rest) encode(decoded_.call(), played_.left_with);
}

// ---- emulated writes

/// Whether the model can be asked at all: Xen emulates writes to L1s of the domain only.
bool player::check_write(const recording::emulated_write& write, xen::ptwr_store& store) {
  const u32 bytes = write.bytes();
  const mfn_t table = maddr_to_mfn({write.maddr()});
  const bool sized =
      (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8) && (write.maddr() & PAGE_OFFSET_MASK) + bytes <= PAGE_SIZE;
  if (!sized || table.n >= m_->config().frames) {
    throw std::invalid_argument(
        fmt::format("piece {}: a write of {} bytes at {:#x}: 1, 2, 4 or 8 within a frame below "
                    "{:#x} are expected",
                    played_.number, bytes, write.maddr(), m_->config().frames));
  }
  const xen::page_info& pg = m_->page(table);
  store = {table, static_cast<unsigned>(write.maddr() & PAGE_OFFSET_MASK), bytes, write.value(), std::nullopt};
  if (write.has_expected()) store.expected = write.expected();
  return pg.owner == m_->domains().front()->owner() && xen::table_level(pg.type_info) == 1 &&
         (pg.type_info & xen::PGT_validated) && pg.type_count() != 0;
}

void player::adopt_accessed_dirty(const xen::ptwr_store& store) {
  const unsigned slot = store.offset / sizeof(pte_t);
  const unsigned shift = store.offset % sizeof(pte_t) * 8;
  const u64 mask = store.bytes == 8 ? ~u64{0} : (u64{1} << (store.bytes * 8)) - 1;
  const pte_t entry = m_->words(store.table)[slot];
  const pte_t recorded = (entry & ~(mask << shift)) | ((*store.expected & mask) << shift);
  // The processor sets them, in present entries, and never clears them.
  constexpr u64 accessed_dirty = PAGE_ACCESSED | PAGE_DIRTY;
  if (!present(entry) || recorded == entry || (recorded ^ entry) != (recorded & ~entry & accessed_dirty)) return;
  m_->words(store.table)[slot] = recorded;
  ++played_.accessed_dirty_adopted;
}

void player::play_write() {
  xen::ptwr_store store;
  if (!check_write(played_.asked->write(), store)) return;
  if (store.expected) adopt_accessed_dirty(store);
  m_->current = &asking_vcpu();
  preemption_.begin_piece(std::nullopt);
  played_.written = xen::ptwr_emulated_update(*m_, *m_->current, store);
}

}  // namespace pvmmu::tools
