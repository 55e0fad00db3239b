#include "tools/diff/frame_roles.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace pvmmu::tools {

namespace {

// linux Documentation/x86/x86_64/mm.rst: the direct mapping of all physical memory, 64 TiB.
constexpr u64 direct_map_begin = 0xffff888000000000;
constexpr u64 direct_map_end = 0xffffc88000000000;

constexpr std::string_view frame_word = "mfn 0x";
constexpr std::size_t long_number = 5;  // digits: what may be a frame, an entry or an address

bool is_hex_digit(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// All address spaces have the same tables there.
bool is_kernels(u64 va) { return va >> 63 != 0; }
bool in_direct_map(u64 va) { return direct_map_begin <= va && va < direct_map_end; }

/// The end of the number of hexadecimal digits at `at`.
std::size_t end_of_hex(const std::string& text, std::size_t at) {
  const auto end = std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), is_hex_digit);
  return static_cast<std::size_t>(end - text.begin());
}

u64 hex_at(const std::string& text, std::size_t at, std::size_t end) {
  u64 value = 0;
  std::from_chars(text.data() + at, text.data() + end, value, 16);
  return value;
}

/// What Xen and kernels print, without frames, entries and addresses: they have no 0x, or have it.
std::string without_long_numbers(const std::string& text) {
  std::string to;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::max(end_of_hex(text, at), at + 1);
    const bool number =
        end - at >= long_number && (end == text.size() || !is_word(text[end])) &&
        std::any_of(text.begin() + static_cast<std::ptrdiff_t>(at), text.begin() + static_cast<std::ptrdiff_t>(end),
                    [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; });
    to += number ? "#" : text.substr(at, end - at);
    at = end;
  }
  return to;
}

/// Lines whose bare numbers are frames: of the p2m and of lists of extents.
bool lists_frames(const std::string& text) {
  return text.find("m2p ") != std::string::npos || text.find(" extent") != std::string::npos;
}

}  // namespace

void frame_roles::begin(const xen::machine& m) {
  for (u64 n = 0; n < m.config().frames; ++n) met({n}, m.page({n}).type_info);
  // What is hooked into the kernel's table of a process and into user mode's is the former's.
  const auto comes_later = [&](mfn_t mfn, unsigned level) {
    return level == 4 && !present(m.words(mfn)[table_slot(direct_map_begin, 4)]);
  };
  for (const bool later : {false, true})
    for (const auto& [mfn, level] : levels_)
      if (comes_later(mfn, level) == later) hooked(m, mfn, level);
}

void frame_roles::follow(const xen::machine& m, const act& a) {
  while (!ended_.empty()) forget(ended_.back());
  for (const owned_event& e : a.events) {
    if (e.kind == event_kind::type_info && e.old != e.value) met(e.mfn, e.value);
    if (e.kind == event_kind::validated && e.slot > 1) hooked(m, e.mfn, e.slot);
    if (e.kind != event_kind::pte) continue;
    if (const auto table = levels_.find(e.mfn); table != levels_.end()) hooked(e.mfn, table->second, e.slot, e.value);
  }
}

void frame_roles::met(mfn_t mfn, u64 type_info) {
  const unsigned level = xen::table_level(type_info);
  const auto known = levels_.find(mfn);
  const bool ended = std::ranges::find(ended_, mfn) != ended_.end();
  if (level == 0) {
    if (known != levels_.end() && !ended) ended_.push_back(mfn);
    return;
  }
  if (known != levels_.end() && known->second == level && !ended) return;
  if (known != levels_.end()) forget(mfn);
  levels_.emplace(mfn, level);
  if (level == 4) l4s_.emplace(mfn, 0);
}

void frame_roles::forget(mfn_t mfn) {
  levels_.erase(mfn);
  hooks_.erase(mfn);
  l4s_.erase(mfn);
  std::erase(ended_, mfn);
}

void frame_roles::hooked(const xen::machine& m, mfn_t table, unsigned level) {
  for (unsigned slot = 0; slot < entries_per_table; ++slot) hooked(table, level, slot, m.words(table)[slot]);
}

void frame_roles::hooked(mfn_t table, unsigned level, unsigned slot, pte_t entry) {
  if (level < 2 || !present(entry) || (level == 4 && !is_guest_l4_slot(slot))) return;
  hooks_.try_emplace(pte_mfn(entry), hook{table, slot, level});
}

std::optional<frame_roles::place> frame_roles::place_of(mfn_t mfn) const {
  u64 va = 0;
  // A linear table leads to one of its own level: upwards it goes four times at most.
  for (unsigned level = 0; level <= 4; ++level) {
    if (l4s_.contains(mfn)) return place{mfn, static_cast<u64>(static_cast<s64>(va << 16) >> 16)};  // canonical
    const auto at = hooks_.find(mfn);
    if (at == hooks_.end()) return std::nullopt;
    va += at->second.slot * entry_span(at->second.level);
    mfn = at->second.table;
  }
  return std::nullopt;
}

bool frame_roles::is_of_direct_map(mfn_t table) const {
  const std::optional<place> p = place_of(table);
  return p && in_direct_map(p->va);
}

std::string frame_roles::role(mfn_t mfn) const {
  if (const auto name = names_.find(mfn.n); name != names_.end()) return fmt::format("\"{}\"", name->second);
  const auto level = levels_.find(mfn);
  if (level == levels_.end()) return "a page";
  std::string kind = fmt::format("L{}", level->second);
  const std::optional<place> p = place_of(mfn);
  if (!p) return kind;
  const u64 number = l4s_.at(p->l4);
  std::string l4 = number == 0 ? "an L4" : fmt::format("L4 {}", number);
  if (level->second == 4) return l4;
  if (in_direct_map(p->va)) return kind + " of the direct map";
  return is_kernels(p->va) ? fmt::format("{} at {:#x}", kind, p->va)
                           : fmt::format("{} at {:#x} of {}", kind, p->va, l4);
}

std::size_t frame_roles::skip_frame(const std::string& text, std::size_t at, std::string& to) {
  const std::size_t begin = at + frame_word.size(), end = end_of_hex(text, begin);
  const mfn_t mfn{hex_at(text, begin, end)};
  if (const std::optional<place> p = place_of(mfn); p && !is_kernels(p->va) && l4s_.at(p->l4) == 0)
    l4s_[p->l4] = ++last_l4_;
  to += '<' + role(mfn) + '>';
  at = end;
  if (const auto name = names_.find(mfn.n); name != names_.end()) {
    const std::string quoted = fmt::format(" \"{}\"", name->second);
    if (text.compare(at, quoted.size(), quoted) == 0) at += quoted.size();
  }
  // Which entry of the direct map is the frame's, its number says.
  if (text.compare(at, 1, "[") == 0 && is_of_direct_map(mfn)) at = std::min(text.find(']', at), text.size() - 1) + 1;
  return at;
}

std::string frame_roles::neutral(const text_line& line) {
  if (line.role == line_role::message) return without_long_numbers(line.text);
  const bool bare_frames = lists_frames(line.text);
  std::string to;
  for (std::size_t at = 0; at < line.text.size();) {
    if (line.text.compare(at, frame_word.size(), frame_word) == 0) {
      at = skip_frame(line.text, at, to);
    } else if (line.text.compare(at, 2, "0x") == 0) {
      const std::size_t end = end_of_hex(line.text, at + 2);
      to += bare_frames                                     ? "#"
            : in_direct_map(hex_at(line.text, at + 2, end)) ? "the direct map"
                                                            : line.text.substr(at, end - at);
      at = end;
    } else {
      to += line.text[at++];
    }
  }
  return to;
}

}  // namespace pvmmu::tools
