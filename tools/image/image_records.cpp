#include "tools/image/image_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <span>
#include <stdexcept>

#include "tools/image/image_state.h"
#include "tools/recording_codec.h"

namespace pvmmu::tools {
namespace {

using memory_kind = recording::image_pages::memory_kind;

/// An image_pages record of this many bytes is followed by another one.
constexpr std::size_t pages_record_bytes = std::size_t{1} << 16;

// ---- the frame table: alike words of successive frames beside each other, so that they make runs

constexpr unsigned words_per_frame = sizeof(xen::page_info) / sizeof(u64);
constexpr unsigned frames_per_page = entries_per_table / words_per_frame;

table_words by_column(const table_words& words) {
  table_words columns;
  for (unsigned i = 0; i < entries_per_table; ++i)
    columns[i % words_per_frame * frames_per_page + i / words_per_frame] = words[i];
  return columns;
}

table_words by_frame(const table_words& columns) {
  table_words words;
  for (unsigned i = 0; i < entries_per_table; ++i)
    words[i] = columns[i % words_per_frame * frames_per_page + i / words_per_frame];
  return words;
}

// ---- grants, two words each

constexpr std::size_t entries_per_page = entries_per_table / 2;
using entry_words = std::array<u64, 2>;

entry_words encode(const xen::active_grant_entry& entry) {
  const auto& [pin, domid, mfn] = entry;
  return {u64{domid} << 32 | pin, mfn.n};
}

entry_words encode(const xen::grant_mapping& map) {
  const auto& [ref, flags, domid, vcpu] = map;
  return {u64{domid} << 48 | u64{flags} << 32 | ref, vcpu};
}

void decode(const entry_words& words, xen::active_grant_entry& entry) {
  entry = {static_cast<u32>(words[0]), static_cast<domid_t>(words[0] >> 32), {words[1]}};
}

void decode(const entry_words& words, xen::grant_mapping& map) {
  map = {static_cast<u32>(words[0]), static_cast<u16>(words[0] >> 32), static_cast<domid_t>(words[0] >> 48),
         static_cast<vcpu_id_t>(words[1])};
}

/// Appends a page of entries.
template <class Entry>
void append(const table_words& words, u64 number, std::vector<Entry>& entries) {
  if (number != entries.size() / entries_per_page)
    throw std::invalid_argument(
        fmt::format("page {} of grants: page {} is expected", number, entries.size() / entries_per_page));
  for (std::size_t i = 0; i < entries_per_table; i += 2) decode({words[i], words[i + 1]}, entries.emplace_back());
}

// ---- records

class page_writer {
 public:
  explicit page_writer(const std::function<void(const recording::record&)>& use) : use_(use) {}

  void begin(memory_kind memory, u32 domain = 0) {
    flush();
    recording::image_pages& pages = *record_.mutable_image_pages();
    pages.set_memory(memory);
    pages.set_domain(domain);
  }

  void add(u64 number, const table_words& words) {
    recording::image_pages& pages = *record_.mutable_image_pages();
    *pages.add_pages() = encode_table({number}, words);
    bytes_ += pages.pages(pages.pages_size() - 1).ByteSizeLong();
    if (bytes_ >= pages_record_bytes) flush();
  }

  template <class Entry>
  void add(const std::vector<Entry>& entries) {
    assert(entries.size() % entries_per_page == 0 && "grants and handles come by the page");
    table_words words{};
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const std::size_t slot = i % entries_per_page;
      std::ranges::copy(encode(entries[i]), words.begin() + static_cast<std::ptrdiff_t>(2 * slot));
      if (slot == entries_per_page - 1) add(i / entries_per_page, words);
    }
  }

  /// The memory goes on.
  void flush() {
    recording::image_pages& pages = *record_.mutable_image_pages();
    if (pages.pages_size() != 0) use_(record_);
    pages.clear_pages();
    bytes_ = 0;
  }

 private:
  const std::function<void(const recording::record&)>& use_;
  recording::record record_;
  std::size_t bytes_ = 0;
};

u64 pages_of(const xen::machine_image& image) {
  u64 pages = image.frame_table.pages.size() + image.ram.pages.size() + image.m2p.pages.size();
  for (const xen::domain_image& d : image.domains)
    pages += (d.state.grants.active.size() + d.state.grants.maptrack.size()) / entries_per_page;
  return pages;
}

}  // namespace

void for_each_record(const xen::machine_image& image, const std::function<void(const recording::record&)>& use) {
  recording::record first;
  recording::machine_image& head = *first.mutable_machine_image();
  head.set_version(machine_image_version);
  head.set_pages(pages_of(image));
  encode(image, head);
  use(first);
  page_writer pages(use);
  pages.begin(recording::image_pages::frame_table);
  for (const auto& page : image.frame_table.pages) pages.add(page.number, by_column(*page.contents));
  pages.begin(recording::image_pages::ram);
  for (const auto& page : image.ram.pages) pages.add(page.number, *page.contents);
  pages.begin(recording::image_pages::m2p);
  for (const auto& page : image.m2p.pages) pages.add(page.number, *page.contents);
  for (u32 i = 0; i < image.domains.size(); ++i) {
    const xen::grant_table& grants = image.domains[i].state.grants;
    pages.begin(recording::image_pages::active_grants, i);
    pages.add(grants.active);
    pages.begin(recording::image_pages::maptrack, i);
    pages.add(grants.maptrack);
  }
  pages.flush();
}

image_builder::image_builder(const recording::header& header, const recording::machine_image& first)
    : pages_(first.pages()) {
  if (first.version() != machine_image_version)
    throw std::invalid_argument(
        fmt::format("an image of version {}: {} is expected", first.version(), machine_image_version));
  if (first.frames() != header.machine_frames() || first.debug_build() != header.debug_build() ||
      first.tlb() != header.tlb())
    throw std::invalid_argument("an image of another machine than the recording is of");
  image_ = decode(first);
}

xen::domain_image& image_builder::domain_of(const recording::image_pages& record) {
  if (record.domain() < image_.domains.size()) return image_.domains[record.domain()];
  throw std::invalid_argument(
      fmt::format("grants of domain {} of {} in an image", record.domain(), image_.domains.size()));
}

void image_builder::take(const recording::image_pages& record) {
  for (const recording::table& page : record.pages()) {
    if (complete()) throw std::invalid_argument(fmt::format("an image of more than its {} pages", pages_));
    take_page(record, page);
    ++pages_taken_;
  }
}

void image_builder::take_page(const recording::image_pages& record, const recording::table& page) {
  const auto words = decode_table(page);
  if (!words) throw std::invalid_argument(words.error());
  const auto keep = [&](xen::memory_image& memory, const table_words& contents) {
    if (!memory.pages.empty() && memory.pages.back().number >= page.mfn())
      throw std::invalid_argument(fmt::format("page {} of an image behind page {}: ascending ones are expected",
                                              page.mfn(), memory.pages.back().number));
    memory.pages.push_back({page.mfn(), std::make_shared<table_words>(contents)});
  };
  switch (record.memory()) {
    case recording::image_pages::frame_table: return keep(image_.frame_table, by_frame(*words));
    case recording::image_pages::ram: return keep(image_.ram, *words);
    case recording::image_pages::m2p: return keep(image_.m2p, *words);
    case recording::image_pages::active_grants:
      return append(*words, page.mfn(), domain_of(record).state.grants.active);
    case recording::image_pages::maptrack: return append(*words, page.mfn(), domain_of(record).state.grants.maptrack);
    default: throw std::invalid_argument("pages of a memory that is not known");
  }
}

}  // namespace pvmmu::tools
