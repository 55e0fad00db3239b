#include "tools/timeline/player.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "hypervisor-model/domain_builder.h"
#include "hypervisor-model/guest_access.h"
#include "hypervisor-model/hypercall.h"
#include "hypervisor-model/requested_preemption.h"
#include "tools/left_calls.h"

namespace pvmmu::tools {

player::player(const recording::header& header, const std::optional<machine_state>& before)
    : of_model_(!before),
      m_(std::make_unique<xen::machine>(
          machine_config{.frames = header.machine_frames(), .debug_build = header.debug_build(), .tlb = header.tlb()})),
      preemption_(*this) {
  if (before) load(*before);
  attach();
}

void player::attach() {
  m_->listen(this);
  m_->preempt_by(&preemption_);
}

void player::go_on_with(std::unique_ptr<xen::machine> m) {
  m_ = std::move(m);
  attach();
}

void player::load(const machine_state& before) {
  xen::domain& d = xen::load_domain(*m_, static_cast<u32>(before.vcpus.size()));
  mfn_t first{};
  for (const frame_run& run : before.frames) {
    xen::load_frames(*m_, d, first, run.length, run.state);
    first = first + run.length;
  }
  for (const auto& [mfn, words] : before.tables) xen::load_table(*m_, mfn, words);
  for (std::size_t i = 0; i < d.vcpus.size(); ++i) {
    const recording::loaded_tables& roots = before.vcpus[i];
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

xen::domain& player::asking_domain() const {
  const u32 number = played_.asked->domid();
  const auto domid = decode_domid(number);
  xen::domain* const d = domid ? m_->find_domain(*domid) : nullptr;
  if (d) return *d;
  throw std::invalid_argument(fmt::format("piece {}: of domain {}, which is not there", played_.number, number));
}

xen::vcpu& player::asking_vcpu() const {
  const xen::domain& d = asking_domain();
  const u32 vcpu = played_.asked->vcpu();
  if (vcpu < d.vcpus.size()) return *d.vcpus[vcpu];
  throw std::invalid_argument(
      fmt::format("piece {}: of vCPU {} of domain {}, which has {}", played_.number, vcpu, d.domid, d.vcpus.size()));
}

played_piece player::play(u64 number, const recording::piece& piece, const recording::piece* rest) {
  played_ = {.number = number, .asked = &piece, .rest = rest, .of_model = of_model_};
  entries_before_ = 0;
  preemption_.begin_piece(std::nullopt);
  take_contents(0);
  using asked = recording::piece::AskedCase;
  switch (piece.asked_case()) {
    case asked::kCall: of_model_ ? play_whole_call() : play_call(); break;
    case asked::kWrite: play_write(); break;
    case asked::kAccess: play_access(); break;
    case asked::kCreateDomain: create_domain(); break;
    case asked::kDestroyDomain: destroy_domain(); break;
    default: throw std::invalid_argument(fmt::format("piece {} asks for nothing", number));
  }
  return std::move(played_);
}

void player::on_event(const event& e) {
  preemption_.on_event(e);
  if (sink_) sink_->on_event(e);
}

// ---- calls

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

void player::decode_call() {
  if (const auto decoded = decoded_.decode(played_.call); !decoded)
    throw std::invalid_argument(fmt::format("piece {}: {}", played_.number, decoded.error()));
}

void player::play_call() {
  check_counts(*played_.asked);
  played_.call = played_.asked->call();
  played_.expected = played_.asked->outcome();
  const u32 missing = add_missing_entries(*played_.asked, played_.rest, played_.call, played_.expected);
  decode_call();
  offer_frames();
  const long result = run_call();
  played_.crashed = asking_domain().crashed;
  played_.multicall_entries -= missing;
  decoded_.encode_outcome(result, played_.found);
  if (played_.rest) encode(decoded_.call(), played_.left_with);
}

/// As the server does it, continuations followed.
void player::play_whole_call() {
  played_.call = played_.asked->call();
  played_.expected = played_.asked->outcome();
  decode_call();
  xen::vcpu& curr = asking_vcpu();
  const auto& checks = played_.asked->preempted_checks();
  const xen::requested_preemption preempted(*m_, {checks.data(), static_cast<std::size_t>(checks.size())});
  const long result = curr.dom->crashed ? 0 : xen::do_hypercall(*m_, curr, decoded_.call());
  played_.crashed = curr.dom->crashed;
  if (!played_.crashed) decoded_.encode_outcome(result, played_.found);
  played_.multicall_entries = static_cast<u64>(played_.found.entries_size());
}

// ---- what the model alone does

void player::play_access() {
  const auto request = decode(played_.asked->access());
  if (!request) throw std::invalid_argument(fmt::format("piece {}: {}", played_.number, request.error()));
  xen::vcpu& curr = asking_vcpu();
  const access_result done = curr.dom->crashed ? access_result{} : xen::guest_access(*m_, curr, *request);
  played_.crashed = curr.dom->crashed;
  if (!played_.crashed) encode(done, played_.accessed);
}

/// No memory on a small file's word.
void player::check_room(u64 pages) const {
  u64 in_use = 0;
  for (const auto& d : m_->domains()) in_use += d->tot_pages;
  if (pages <= max_recorded_frames && in_use + pages <= max_recorded_frames) return;
  throw std::invalid_argument(
      fmt::format("piece {}: a domain of {} frames beside {} of others: recordings are played whose domains have at "
                  "most {} ({} GiB) together",
                  played_.number, pages, in_use, max_recorded_frames, max_recorded_frames * PAGE_SIZE >> 30));
}

/// Nobody hears how a domain is built: it is as if it had been there.
void player::create_domain() {
  const auto config = decode(played_.asked->create_domain());
  if (!config) throw std::invalid_argument(fmt::format("piece {}: {}", played_.number, config.error()));
  check_room(config->pages);
  m_->listen(nullptr);
  const auto info = xen::build_domain(*m_, *config);
  m_->listen(this);
  if (!info) throw std::invalid_argument(fmt::format("piece {}: {}", played_.number, info.error()));
  played_.created = info->domid;
}

void player::destroy_domain() { m_->remove_domain(asking_domain().domid); }

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
  return pg.owner == asking_domain().owner() && xen::table_level(pg.type_info) == 1 &&
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
  played_.written = xen::ptwr_emulated_update(*m_, *m_->current, store);
}

}  // namespace pvmmu::tools
