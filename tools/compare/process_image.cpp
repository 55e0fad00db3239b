#include "tools/compare/process_image.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "tools/compare/follow.h"
#include "tools/entry_flags.h"

namespace pvmmu::compare {
namespace {

process_image image_of(const page_table_view& view, mfn_t pgd, const scope& which) {
  process_image image;
  const auto left_out = [&](u64 start, u64 end) { return !which.ranges.empty() && which.concerns(start, end); };
  view.each_table(pgd, 4, 0, [&](mfn_t table, unsigned level, u64 va) {
    if (level < 4 && left_out(va, va + entry_span(level + 1))) return;
    image.tables.push_back({va, level});
    if (level != 1) return;
    for (unsigned slot = 0; slot < entries_per_table; ++slot) {
      const pte_t entry = view.entry({table, slot});
      // Xen makes the user's pages global.
      if (present(entry))
        image.pages.push_back({entry_va(va, 1, slot), entry & ~(PTE_ADDR_MASK | PAGE_GLOBAL), pte_mfn(entry).n});
    }
  });
  return image;
}

/// What is mapped at an address, in words: tables by their level, pages by their bits.
std::map<std::pair<u64, unsigned>, std::string> words_of(const process_image& image) {
  std::map<std::pair<u64, unsigned>, std::string> words;
  for (const guest::seen_table& t : image.tables) words[{t.va, t.level}] = fmt::format("an L{} table", t.level);
  for (const guest::seen_page& p : image.pages)
    words[{p.va, 0}] = "a page " + tools::flags_text(p.flags & ~(PAGE_ACCESSED | PAGE_DIRTY));
  return words;
}

}  // namespace

std::string first_unlike(const process_image& real, const process_image& model) {
  const auto expected = words_of(real);
  const auto found = words_of(model);
  const auto text = [](const auto& words, const auto& key) {
    const auto at = words.find(key);
    return at == words.end() ? std::string("nothing") : at->second;
  };
  for (const auto* side : {&expected, &found}) {
    for (const auto& [key, unused] : *side) {
      if (text(expected, key) == text(found, key)) continue;
      return fmt::format("{:#x}: {} in the recording, {} in the model", key.first, text(expected, key),
                         text(found, key));
    }
  }
  return {};
}

std::optional<process_image> image_at_start(const call_stream& stream, const scope& which) {
  const page_table_view view = view_at_start(stream);
  for (const mfn_t pgd : view.kernel_pgds()) {
    const auto place = view.place_of(pgd);
    if (place && which.contains(*place)) return image_of(view, pgd, which);
  }
  return std::nullopt;
}

std::optional<process_image> find_process_image(const call_stream& stream, const scope& which) {
  page_table_view view = view_at_start(stream);
  std::optional<process_image> image;
  const auto in_scope = [&](mfn_t table) {
    const auto place = view.place_of(table);
    return place && which.contains(*place);
  };
  for (std::size_t i = 0; i < stream.calls.size() && !image; ++i) {
    const auto before = [&](int, const operation& o) {
      if (which.ranges.empty() || image || o.what != operation::kind::unpin) return;
      if (view.is_kernel_pgd(o.frame) && in_scope(o.frame)) image = image_of(view, o.frame, which);
    };
    follow(view, stream.calls[i], before, [](const operation&) {});
    if (which.marked_by != i) continue;
    for (const mfn_t pgd : view.kernel_pgds()) {
      if (in_scope(pgd)) image = image_of(view, pgd, which);
    }
  }
  return image;
}

}  // namespace pvmmu::compare
