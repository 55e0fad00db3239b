#include "hypervisor-model/machine/memory_image.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace pvmmu::xen {
namespace {

using words = memory_image::words;

bool is_zero(const void* page) {
  static constexpr words zero{};
  return std::memcmp(page, zero.data(), PAGE_SIZE) == 0;
}

}  // namespace

memory_image save(const reserved_memory& memory, const memory_image* like) {
  static const memory_image nothing;
  const auto& known = (like ? *like : nothing).pages;
  auto next = known.begin();
  memory_image image;
  for (const u64 number : memory.touched_pages()) {
    const void* page = memory.page(number);
    if (is_zero(page)) continue;
    while (next != known.end() && next->number < number) ++next;
    if (next != known.end() && next->number == number && std::memcmp(next->contents->data(), page, PAGE_SIZE) == 0) {
      image.pages.push_back(*next);
      continue;
    }
    auto contents = std::make_shared<words>();
    std::memcpy(contents->data(), page, PAGE_SIZE);
    image.pages.push_back({number, std::move(contents)});
  }
  return image;
}

void restore(const memory_image& image, reserved_memory& memory) {
  for (const u64 number : memory.touched_pages()) std::memset(memory.page(number), 0, PAGE_SIZE);
  for (const memory_image::page& page : image.pages) {
    assert(page.number < memory.pages() && "an image of a memory as large as this one");
    std::memcpy(memory.page(page.number), page.contents->data(), PAGE_SIZE);
  }
}

}  // namespace pvmmu::xen
