#include <fmt/format.h>

#include <cstring>

#include "tools/lab/encode.h"
#include "tools/lab/lab_error.h"
#include "tools/lab/lowered_call.h"

namespace pvmmu::lab {
namespace {

constexpr const char* too_early = "the probe's results end too early";

class results_reader {
 public:
  explicit results_reader(std::span<const u8> bytes) : rest_(bytes) {}
  template <class T>
  T get() {
    if (rest_.size() < sizeof(T)) throw lab_error(too_early);
    T record;
    std::memcpy(&record, rest_.data(), sizeof record);
    rest_ = rest_.subspan(sizeof record);
    return record;
  }
  std::vector<u64> words(u64 count) {
    if (rest_.size() / sizeof(u64) < count) throw lab_error(too_early);
    std::vector<u64> result(count);
    std::memcpy(result.data(), rest_.data(), count * sizeof(u64));
    rest_ = rest_.subspan(count * sizeof(u64));
    return result;
  }

 private:
  std::span<const u8> rest_;
};

void put_out(answer& a, const call& c, const out_part& part, const std::vector<u64>& words) {
  // xen public/memory.h: behind two reservations, and behind a count and a pointer.
  constexpr std::size_t nr_exchanged = 8, nr_extents = 2;
  memory_answer& memory = part.entry < a.entries.size() ? a.entries[part.entry].memory : a.memory;
  switch (part.means) {
    case out_part::meaning::done: a.done = static_cast<u32>(words[0]); break;
    case out_part::meaning::entry_done: a.entries[part.entry].done = static_cast<u32>(words[0]); break;
    case out_part::meaning::entry_results:
      a.entries.resize(std::get<multicall>(c).entries.size());
      for (std::size_t i = 0; i < a.entries.size(); ++i) a.entries[i].result = static_cast<s64>(words[8 * i + 1]);
      break;
    case out_part::meaning::entry_list: a.entries[part.entry].list = words; break;
    case out_part::meaning::blob: a.blobs.push_back(words); break;
    case out_part::meaning::extents: memory.extents = words; break;
    case out_part::meaning::exchange: memory.number = words[nr_exchanged]; break;
    case out_part::meaning::machphys: memory.number = static_cast<u32>(words[nr_extents]); break;
  }
}

answer read_answer(results_reader& in, const call& c) {
  const auto result = in.get<probe::call_result>();
  answer a;
  if (std::holds_alternative<memory_access>(c)) {
    a.value = static_cast<u64>(result.result);
    if (result.vector != probe::call_result::no_fault) a.taken = {result.vector, result.error_code, result.cr2};
  } else {
    a.result = result.result;
  }
  for (const out_part& part : lower(c).out) put_out(a, c, part, in.words(part.nr_words));
  return a;
}

program_answer read_program(results_reader& in, const program& p, const probe::results_header& known) {
  const auto result = in.get<probe::program_result>();
  if (result.first_grant >= probe::nr_grant_frames * probe::grants_per_frame ||
      result.nr_names != p.nr_frames + p.nr_adopted || result.nr_foreign != p.nr_foreign ||
      result.nr_calls > p.calls.size())
    throw lab_error("the probe's results are not those of these programs");
  program_answer a{{.window_va = result.window_va,
                    .window_l1 = {result.window_l1_mfn},
                    .window_l2 = {result.window_l2_mfn},
                    .window_l3 = {known.window_l3_mfn},
                    .probe_l4 = {known.probe_l4_mfn},
                    .shared_info = {known.shared_info_mfn},
                    .grant_table = {known.grant_table_mfns[result.first_grant / probe::grants_per_frame]},
                    .m2p = {known.m2p_mfn},
                    .first_grant = result.first_grant,
                    .nr_grants = p.nr_grants},
                   program_answer::state::ended};
  for (u64 n : in.words(result.nr_names))
    a.frames.push_back(n == INVALID_MFN.n ? std::nullopt : std::optional{mfn_t{n}});
  for (u64 n : in.words(result.nr_foreign)) a.foreign.push_back({n});
  for (u32 i = 0; i < result.nr_calls; ++i) a.calls.push_back(read_answer(in, p.calls[i]));
  return a;
}

}  // namespace

std::optional<mfn_t> placement::frame(u32 name) const {
  switch (name) {
    case probe::name_window_l1: return window_l1;
    case probe::name_window_l2: return window_l2;
    case probe::name_window_l3: return window_l3;
    case probe::name_probe_l4: return probe_l4;
    case probe::name_shared_info: return shared_info;
    case probe::name_grant_table: return grant_table;
    case probe::name_m2p: return m2p;
    default: break;
  }
  if (name >= probe::name_foreign && name - probe::name_foreign < foreign.size())
    return foreign[name - probe::name_foreign];
  return name < frames.size() ? frames[name] : std::nullopt;
}

std::vector<program_answer> decode(std::span<const program> programs, std::span<const u8> results) {
  results_reader in{results};
  const auto header = in.get<probe::results_header>();
  if (header.magic != probe::results_magic || header.version != probe::format_version ||
      header.nr_begun > programs.size() || header.nr_programs > header.nr_begun)
    throw lab_error("the probe left no results of these programs");
  std::vector<program_answer> answers(programs.size());
  for (u32 i = 0; i < header.nr_begun; ++i) {
    answers[i] = read_program(in, programs[i], header);
    if (i >= header.nr_programs) answers[i].how = program_answer::state::crashed;
  }
  return answers;
}

}  // namespace pvmmu::lab
