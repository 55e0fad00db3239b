#include "tests/tools/corruption.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "hypervisor-model/machine/page_info.h"
#include "proto/abi/hypercall.h"
#include "tools/recording_codec.h"

namespace pvmmu::tools {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// One entry of a table.
struct place {
  u64 mfn;
  u64 slot;
  friend auto operator<=>(const place&, const place&) = default;
};
place place_of(u64 maddr) { return {maddr >> PAGE_SHIFT, maddr % PAGE_SIZE / sizeof(pte_t)}; }

u64 flip(u64 value, std::mt19937_64& random, unsigned bits) { return value ^ (u64{1} << random() % bits); }

/// What a recording says of its tables, and when: to tell whether a wrong entry can still be there at the end.
class table_history {
 public:
  explicit table_history(const std::vector<recording::record>& records) {
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (records[i].has_snapshot()) last_snapshot_ = i;
    }
    for (std::size_t i = 0; i < records.size(); ++i) {
      const recording::record& record = records[i];
      if (record.has_table() && i > last_snapshot_) at_the_end_.insert(record.table().mfn());
      if (!record.has_piece()) continue;
      for (const auto& content : record.piece().contents()) stored_[content.table().mfn()] = i;
      if (record.piece().has_write()) written_[place_of(record.piece().write().maddr())] = i;
      note(record.piece().call(), i);
    }
  }

  bool is_last_snapshot(std::size_t record) const { return record > last_snapshot_; }

  /// Whether an entry that `record` speaks of is gone before the end: it is written once more, by a call or by the
  /// guest itself, or its frame is no table then.
  bool gone_before_end(const place& p, std::size_t record) const {
    const auto written = written_.find(p);
    const auto stored = stored_.find(p.mfn);
    return (written != written_.end() && written->second > record) ||
           (stored != stored_.end() && stored->second > record) || !at_the_end_.contains(p.mfn);
  }
  bool mapped_again(u64 va, std::size_t record) const {
    const auto mapped = mapped_.find(va >> PAGE_SHIFT);
    return mapped != mapped_.end() && mapped->second > record;
  }
  /// By NEW_BASEPTR or NEW_USER_BASEPTR.
  bool root_loaded_again(u64 cmd, std::size_t record) const {
    return (cmd == MMUEXT_NEW_BASEPTR ? root_loaded_ : user_root_loaded_) > record;
  }

 private:
  void note(const wire::hypercall& call, std::size_t i) {
    for (const auto& req : call.mmu_update().ureqs()) written_[place_of(req.ptr())] = i;
    for (const auto& op : call.mmuext_op().uops()) {
      if (op.cmd() == MMUEXT_NEW_BASEPTR) root_loaded_ = i;
      if (op.cmd() == MMUEXT_NEW_USER_BASEPTR) user_root_loaded_ = i;
    }
    if (call.has_update_va_mapping()) mapped_[call.update_va_mapping().va() >> PAGE_SHIFT] = i;
    for (const auto& entry : call.multicall().call_list()) note(entry, i);
  }

  std::size_t last_snapshot_ = 0;
  std::size_t root_loaded_ = 0;
  std::size_t user_root_loaded_ = 0;
  std::set<u64> at_the_end_;              // tables
  std::map<place, std::size_t> written_;  // the last record that does
  std::map<u64, std::size_t> stored_;
  std::map<u64, std::size_t> mapped_;
};

std::optional<std::string> entry_may_pass(const table_history& history, std::size_t record, const place& p,
                                          u64 flipped) {
  if ((flipped & ~(PAGE_ACCESSED | PAGE_DIRTY)) == 0) return "accessed and dirty bits are not compared";
  if (!history.is_last_snapshot(record) && history.gone_before_end(p, record))
    return "the entry is gone before the end, and its references with it";
  return std::nullopt;
}

// ---- tables and frames

corruption corrupt_table(const table_history& history, std::size_t record, recording::table& table,
                         std::mt19937_64& random) {
  table_words words = *decode_table(table);
  // Mostly where something is; an entry out of nothing is a corruption as well.
  unsigned slot = 0;
  for (int tries = 0; tries < 1000 && words[slot] == 0; ++tries) {
    slot = static_cast<unsigned>(random() % entries_per_table);
  }
  const pte_t before = words[slot];
  words[slot] = flip(before, random, 64);
  const u64 mfn = table.mfn();
  table = encode_table({mfn}, words);
  return {fmt::format("table {:#x} slot {}: {:#x} became {:#x}", mfn, slot, before, words[slot]),
          entry_may_pass(history, record, {mfn, slot}, before ^ words[slot])};
}

/// Splits a run, so that one frame of it can be another.
corruption corrupt_frame(recording::frame_runs& record, std::mt19937_64& random) {
  std::vector<frame_run> runs = *decode_frames(record);
  const std::size_t i = random() % runs.size();
  frame_run wrong = runs[i];
  wrong.length = 1;
  const bool count = random() % 2 == 0;
  u64& field = count ? wrong.state.count_info : wrong.state.type_info;
  const u64 before = field;
  field = flip(field, random, 64);
  corruption c{fmt::format("a frame's {}: {:#018x} became {:#018x}", count ? "count_info" : "type_info", before, field),
               std::nullopt};
  const xen::frame_owner owner = runs[i].state.owner;
  if (owner == xen::frame_owner::nobody) c.why_neutral = "frames that nobody owns are not compared";
  --runs[i].length;
  runs.insert(runs.begin() + static_cast<std::ptrdiff_t>(i), wrong);
  if (runs[i + 1].length == 0) runs.erase(runs.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  record = encode_frames(runs);
  return c;
}

// ---- calls and results: any field that is there

struct scalar {
  Message* message;
  const FieldDescriptor* field;
  int index;  ///< -1: not repeated
};

void list_scalars(Message& message, std::vector<scalar>& scalars) {
  const auto* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int size = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
    for (int i = 0; i < size; ++i) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
        scalars.push_back({&message, field, field->is_repeated() ? i : -1});
      } else if (field->is_repeated()) {
        list_scalars(*reflection->MutableRepeatedMessage(&message, field, i), scalars);
      } else {
        list_scalars(*reflection->MutableMessage(&message, field), scalars);
      }
    }
  }
}

/// Flips one bit of the field; returns what it was and is.
std::pair<u64, u64> flip_scalar(const scalar& s, std::mt19937_64& random) {
  const auto* reflection = s.message->GetReflection();
  switch (s.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32: {
      const u32 before = reflection->GetUInt32(*s.message, s.field);
      const auto after = static_cast<u32>(flip(before, random, 32));
      reflection->SetUInt32(s.message, s.field, after);
      return {before, after};
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      const u64 before = reflection->GetUInt64(*s.message, s.field);
      const u64 after = flip(before, random, 64);
      reflection->SetUInt64(s.message, s.field, after);
      return {before, after};
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      const auto before = static_cast<u64>(reflection->GetInt64(*s.message, s.field));
      const u64 after = flip(before, random, 64);
      reflection->SetInt64(s.message, s.field, static_cast<s64>(after));
      return {before, after};
    }
    default: {
      const bool before = reflection->GetBool(*s.message, s.field);
      reflection->SetBool(s.message, s.field, !before);
      return {before, !before};
    }
  }
}

bool is_flush(u64 cmd) { return cmd >= MMUEXT_TLB_FLUSH_LOCAL && cmd <= MMUEXT_INVLPG_ALL; }

constexpr const char* only_flushes = "a TLB flush changes no frame and no table";
constexpr const char* both_gone = "both entries are gone before the end, and their references with them";

std::optional<std::string> mmu_update_may_pass(const wire::mmu_update_call& call, std::string_view field, u64 before,
                                               u64 after) {
  const auto maps = [](const auto& req) { return present(req.val()); };
  if (field == "count" && (before ^ after) == MMU_UPDATE_PREEMPTED) return "the bit only says where `done` begins";
  if (field == "foreigndom" && (before ^ after) == 0x10000) return "domain 0 by its number is the caller";
  if (field == "foreigndom" && (after == DOMID_IO || after == DOMID_XEN) && std::ranges::none_of(call.ureqs(), maps))
    return "entries that map nothing need no owner of what they map";
  return std::nullopt;
}

std::optional<std::string> update_may_pass(const table_history& history, std::size_t record,
                                           const wire::mmu_update_t& req, std::string_view field, u64 before,
                                           u64 after) {
  if (field == "val") return entry_may_pass(history, record, place_of(req.ptr()), before ^ after);
  if (((before ^ after) & ~u64{3}) == 0 && after % 8 != MMU_MACHPHYS_UPDATE)
    return "only accessed and dirty bits hang on the command";
  if (history.gone_before_end(place_of(before), record) && history.gone_before_end(place_of(after), record))
    return both_gone;
  return std::nullopt;
}

std::optional<std::string> op_may_pass(const table_history& history, std::size_t record, const wire::mmuext_op_t& op,
                                       std::string_view field, u64 before, u64 after) {
  if (field == "arg2") return "no command of the recordings has a second argument";
  const u64 cmd_before = field == "cmd" ? before : op.cmd();
  const u64 cmd_after = field == "cmd" ? after : op.cmd();
  if (is_flush(cmd_before) && is_flush(cmd_after)) return only_flushes;
  const bool loads_root = cmd_before == MMUEXT_NEW_BASEPTR || cmd_before == MMUEXT_NEW_USER_BASEPTR;
  if (loads_root && history.root_loaded_again(cmd_before, record)) return "another L4 is loaded before the end";
  return std::nullopt;
}

std::optional<std::string> mapping_may_pass(const table_history& history, std::size_t record,
                                            const wire::update_va_mapping_call& call, std::string_view field,
                                            u64 before, u64 after) {
  if (field == "flags") return only_flushes;
  if (field == "va") {
    if ((before ^ after) < PAGE_SIZE) return "an offset in the page means nothing";
    if (history.mapped_again(before, record) && history.mapped_again(after, record)) return both_gone;
    return std::nullopt;
  }
  if (((before ^ after) & ~(PAGE_ACCESSED | PAGE_DIRTY)) == 0) return "accessed and dirty bits are not compared";
  if (history.mapped_again(call.va(), record)) return "the page is mapped again before the end";
  return std::nullopt;
}

std::optional<std::string> write_may_pass(const table_history& history, std::size_t record,
                                          const recording::emulated_write& write, std::string_view field, u64 before,
                                          u64 after) {
  if (field == "va") return "the write is replayed by machine address";
  if (field == "value" || field == "expected")
    return entry_may_pass(history, record, place_of(write.maddr()), before ^ after);
  if (field == "maddr" && history.gone_before_end(place_of(before), record) &&
      history.gone_before_end(place_of(after), record))
    return both_gone;
  return std::nullopt;
}

/// Why a wrong field of a call may pass. Results never do.
std::optional<std::string> field_may_pass(const table_history& history, std::size_t record, const scalar& s, u64 before,
                                          u64 after) {
  const std::string_view field = s.field->name();
  if (const auto* call = dynamic_cast<const wire::mmu_update_call*>(s.message))
    return mmu_update_may_pass(*call, field, before, after);
  if (const auto* req = dynamic_cast<const wire::mmu_update_t*>(s.message))
    return update_may_pass(history, record, *req, field, before, after);
  if (dynamic_cast<const wire::mmuext_op_call*>(s.message)) {
    if (field == "count" && (before ^ after) == MMU_UPDATE_PREEMPTED) return "the bit only says where `done` begins";
    if (field == "foreigndom" && (before ^ after) > 0xffff) return "mmuext_op looks at 16 bits of it";
  }
  if (const auto* op = dynamic_cast<const wire::mmuext_op_t*>(s.message))
    return op_may_pass(history, record, *op, field, before, after);
  if (const auto* call = dynamic_cast<const wire::update_va_mapping_call*>(s.message))
    return mapping_may_pass(history, record, *call, field, before, after);
  if (const auto* write = dynamic_cast<const recording::emulated_write*>(s.message))
    return write_may_pass(history, record, *write, field, before, after);
  if (field == "nr_calls" && after > before) return "entries of other kinds may be missing from the list";
  return std::nullopt;
}

corruption corrupt_piece(const table_history& history, std::size_t record, recording::piece& piece,
                         std::mt19937_64& random) {
  std::vector<scalar> scalars;
  if (piece.has_call()) list_scalars(*piece.mutable_call(), scalars);
  if (piece.has_write()) list_scalars(*piece.mutable_write(), scalars);
  list_scalars(*piece.mutable_outcome(), scalars);
  const scalar& s = scalars[random() % scalars.size()];
  const auto [before, after] = flip_scalar(s, random);
  return {fmt::format("record {}: {}.{}: {:#x} became {:#x}", record, s.message->GetDescriptor()->name(),
                      s.field->name(), before, after),
          field_may_pass(history, record, s, before, after)};
}

corruption corrupt_roots(recording::snapshot& snapshot, std::mt19937_64& random) {
  recording::loaded_tables& roots = *snapshot.mutable_vcpus(0);
  const u64 before = roots.kernel_mfn();
  roots.set_kernel_mfn(flip(before, random, 22));
  return {fmt::format("the kernel's L4: {:#x} became {:#x}", before, roots.kernel_mfn()), std::nullopt};
}

}  // namespace

corruption corrupt(std::vector<recording::record>& records, std::mt19937_64& random) {
  const table_history history(records);
  // Half of all in calls and results; the rest in what the machine held.
  const bool in_a_piece = random() % 2 == 0;
  for (;;) {
    const std::size_t i = random() % records.size();
    recording::record& record = records[i];
    if (record.has_piece() && in_a_piece) {
      recording::piece& piece = *record.mutable_piece();
      const int contents = piece.contents_size();
      if (contents == 0 || random() % 2 == 0) return corrupt_piece(history, i, piece, random);
      const int which = static_cast<int>(random() % static_cast<unsigned>(contents));
      return corrupt_table(history, i, *piece.mutable_contents(which)->mutable_table(), random);
    }
    if (in_a_piece) continue;
    if (record.has_table()) return corrupt_table(history, i, *record.mutable_table(), random);
    if (record.has_frames()) return corrupt_frame(*record.mutable_frames(), random);
    if (record.has_snapshot() && record.snapshot().vcpus_size() != 0)
      return corrupt_roots(*record.mutable_snapshot(), random);
  }
}

}  // namespace pvmmu::tools
