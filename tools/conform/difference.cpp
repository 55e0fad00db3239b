#include "tools/conform/difference.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "hypervisor-model/domain.h"
#include "proto/abi/access.h"
#include "proto/abi/errno.h"

namespace pvmmu::conform {
namespace {

std::string result_text(s64 result) {
  const std::string_view name = errno_name(result);
  return name.empty() ? fmt::to_string(result) : std::string(name);
}

std::string done_text(const std::optional<u32>& done) { return done ? fmt::format(", done {}", *done) : ""; }

std::string memory_text(const lab::memory_answer& m) {
  if (m == lab::memory_answer{}) return "";
  return fmt::format("; extents [{:#x}], number {}", fmt::join(m.extents, " "), m.number);
}

std::string frame_text(const xen::page_info& pg) {
  return fmt::format("owner {}, count_info {:016x}, type_info {:016x}", pg.owner, pg.count_info, pg.type_info);
}

/// Nobody owns a free frame, and what Xen keeps in it then is the heap's own.
bool same_record(const xen::page_info& a, const xen::page_info& b) {
  if (a.owner == xen::owner_none && b.owner == xen::owner_none) return true;
  return a.owner == b.owner && a.count_info == b.count_info && a.type_info == b.type_info;
}

/// Where a domain's per-domain mappings lie is Xen's choice. Of the probe's it is a fact; of the foreign domain's
/// nobody can say, so that its L4s are compared without that frame.
u64 comparable(u64 word, unsigned slot, xen::owner_t owner) {
  const bool elsewhere = owner == xen::owner_of(probe::foreign_domid) && slot == xen::perdomain_slot;
  return elsewhere && (word & PAGE_PRESENT) != 0 ? word & ~PTE_ADDR_MASK : word;
}

std::optional<difference> compare_record(std::string_view name, const xen::page_info& real,
                                         const xen::page_info& model) {
  if (same_record(real, model)) return std::nullopt;
  return difference{fmt::format("frame {}", name), frame_text(real), frame_text(model)};
}

std::optional<difference> compare_frame(const std::string& name, mfn_t mfn, const lab::memory_image& real,
                                        const lab::memory_image& model) {
  const xen::page_info r = real.frame(mfn);
  if (auto d = compare_record(name, r, model.frame(mfn))) return d;
  if (r.owner == xen::owner_none) return std::nullopt;
  const auto real_words = real.words(mfn), model_words = model.words(mfn);
  for (unsigned slot = 0; slot < entries_per_table; ++slot) {
    if (comparable(real_words[slot], slot, r.owner) == comparable(model_words[slot], slot, r.owner)) continue;
    return difference{fmt::format("frame {}, slot {}", name, slot), fmt::format("{:016x}", real_words[slot]),
                      fmt::format("{:016x}", model_words[slot])};
  }
  return std::nullopt;
}

std::optional<difference> compare_calls(const lab::program_answer& real, const lab::program_answer& model) {
  for (std::size_t i = 0; i < real.calls.size() && i < model.calls.size(); ++i)
    if (real.calls[i] != model.calls[i])
      return difference{fmt::format("call {}", i), describe(real.calls[i]), describe(model.calls[i])};
  if (real.how == model.how && real.calls.size() == model.calls.size()) return std::nullopt;
  const auto end = [](const lab::program_answer& a) {
    return a.how == lab::program_answer::state::ended ? std::string("the domain lives")
                                                      : fmt::format("the domain crashes in call {}", a.calls.size());
  };
  return difference{"the end", end(real), end(model)};
}

std::optional<difference> compare_grants(const lab::placement& where, const lab::memory_image& real,
                                         const lab::memory_image& model) {
  for (u32 i = 0; i < where.nr_grants; ++i) {
    const u32 slot = (where.first_grant + i) % probe::grants_per_frame;
    const u64 r = real.words(where.grant_table)[slot], m = model.words(where.grant_table)[slot];
    if (r != m) return difference{fmt::format("grant {}", i), fmt::format("{:016x}", r), fmt::format("{:016x}", m)};
  }
  return std::nullopt;
}

std::vector<std::pair<std::string, mfn_t>> own_frames(const lab::placement& where) {
  std::vector<std::pair<std::string, mfn_t>> frames;
  for (std::size_t i = 0; i < where.frames.size(); ++i)
    if (where.frames[i]) frames.emplace_back(fmt::to_string(i), *where.frames[i]);
  frames.emplace_back("window_l1", where.window_l1);
  for (std::size_t i = 0; i < where.foreign.size(); ++i)
    frames.emplace_back(fmt::format("foreign {}", i), where.foreign[i]);
  return frames;
}

}  // namespace

std::string describe(const lab::answer& a) {
  if (a.taken)
    return fmt::format("{} error {} at {:#x}", exception_name(static_cast<exception_vector>(a.taken->vector)),
                       a.taken->error_code, a.taken->cr2);
  std::string text = result_text(a.result) + done_text(a.done);
  if (a.value != 0) text += fmt::format(", value {:#x}", a.value);
  if (!a.entries.empty()) text += "; entries";
  for (const lab::entry_answer& e : a.entries) {
    text += fmt::format(" {}{}", result_text(e.result), done_text(e.done));
    if (!e.list.empty()) text += fmt::format(" [{:#x}]", fmt::join(e.list, " "));
    text += memory_text(e.memory);
  }
  for (const auto& blob : a.blobs) text += fmt::format("; [{:#x}]", fmt::join(blob, " "));
  return text + memory_text(a.memory);
}

std::optional<difference> compare(const lab::program_answer& real, const lab::memory_image& real_memory,
                                  const lab::program_answer& model, const lab::memory_image& model_memory) {
  if (auto d = compare_calls(real, model)) return d;
  if (real.how != lab::program_answer::state::ended) return std::nullopt;
  for (const auto& [name, mfn] : own_frames(real))
    if (auto d = compare_frame(name, mfn, real_memory, model_memory)) return d;
  return compare_grants(real, real_memory, model_memory);
}

std::optional<difference> compare_after_foreign(const lab::program_answer& real,
                                                std::span<const xen::page_info> real_frames,
                                                const lab::memory_image& model) {
  if (real.how != lab::program_answer::state::ended) return std::nullopt;
  for (const auto& [name, mfn] : own_frames(real)) {
    if (auto d = compare_record(name, real_frames[mfn.n], model.frame(mfn))) {
      d->where += ", without the foreign domain";
      return d;
    }
  }
  return std::nullopt;
}

std::optional<difference> compare_shared(const lab::placement& where, const lab::memory_image& real,
                                         const lab::memory_image& model) {
  const std::pair<const char*, mfn_t> frames[] = {{"window_l2", where.window_l2}, {"window_l3", where.window_l3}};
  for (const auto& [name, mfn] : frames)
    if (auto d = compare_frame(name, mfn, real, model)) return d;
  // Xen writes into these itself: the time, events.
  const std::pair<const char*, mfn_t> xens[] = {
      {"shared_info", where.shared_info}, {"grant_table", where.grant_table}, {"m2p", where.m2p}};
  for (const auto& [name, mfn] : xens)
    if (auto d = compare_record(name, real.frame(mfn), model.frame(mfn))) return d;
  return std::nullopt;
}

}  // namespace pvmmu::conform
