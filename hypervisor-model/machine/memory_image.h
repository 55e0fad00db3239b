#pragma once
// What a reserved memory holds, as the pages that are not zero. Images of one memory at several moments share the pages
// that did not change in between.
//
//   const memory_image before = save(ram, nullptr);
//   …                                         // the machine runs
//   const memory_image after = save(ram, &before);
//   restore(before, other_ram);               // whatever it held

#include <array>
#include <memory>
#include <vector>

#include "hypervisor-model/machine/reserved_memory.h"
#include "proto/abi/pte.h"

namespace pvmmu::xen {

struct memory_image {
  using words = std::array<u64, entries_per_table>;
  struct page {
    u64 number = 0;  ///< from the memory's begin on
    std::shared_ptr<const words> contents{};
    friend bool operator==(const page& a, const page& b) {
      return a.number == b.number && (a.contents == b.contents || *a.contents == *b.contents);
    }
  };

  std::vector<page> pages{};  ///< ascending
  friend bool operator==(const memory_image&, const memory_image&) = default;
};

/// Shares the pages that are in `like` already; nullptr: none. Throws std::system_error as touched_pages does.
memory_image save(const reserved_memory& memory, const memory_image* like);

/// The pages of `image` must lie in `memory`.
void restore(const memory_image& image, reserved_memory& memory);

}  // namespace pvmmu::xen
