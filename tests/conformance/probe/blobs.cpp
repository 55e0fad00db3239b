#include "tests/conformance/probe/blobs.h"

#include "tests/conformance/probe/console.h"
#include "tests/conformance/probe/hypercalls.h"

namespace pvmmu::probe {
namespace {

constexpr u64 first_pages = max_first_blob_words * 8 / page_bytes;
constexpr u64 pages_each = max_blob_words * 8 / page_bytes;

/// The first blob, its guard; then each other one with its guard; a second guard ends it.
alignas(page_bytes) u8 memory[(first_pages + 1 + (max_blobs - 1) * (pages_each + 1) + 1) * page_bytes];

u8* guard_of(u32 index) { return memory + (first_pages + index * (pages_each + 1)) * page_bytes; }

void unmap(const u8* page) {
  if (update_va_mapping(address_of(page), 0) != 0) lost("cannot unmap a guard");
}

}  // namespace

void guard_blobs() {
  for (u32 i = 0; i < max_blobs; ++i) unmap(guard_of(i));
  unmap(guard_of(max_blobs - 1) + page_bytes);
}

u8* blob_memory(u32 index, u32 bytes) {
  const u64 limit = index == 0 ? max_first_blob_words * 8 : max_blob_words * 8;
  if (index >= max_blobs || bytes > limit) lost("a blob is too big", bytes);
  return guard_of(index) - bytes;
}

u64 unmapped_va() { return address_of(guard_of(max_blobs - 1)); }

}  // namespace pvmmu::probe
