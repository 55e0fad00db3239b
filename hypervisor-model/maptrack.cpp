#include "hypervisor-model/maptrack.h"

namespace pvmmu::xen {
namespace {

constexpr u32 maptrack_per_page = 256;
constexpr u32 max_maptrack_frames = 1024;

/// The head of the vCPU's list. Its last entry is never given out.
std::optional<u32> take_free_handle(vcpu& v) {
  const u32 head = v.maptrack_head;
  if (head == MAPTRACK_TAIL) return std::nullopt;
  const u32 next = v.dom->grants.maptrack[head].ref;
  if (next == MAPTRACK_TAIL) return std::nullopt;
  v.maptrack_head = next;
  return head;
}

}  // namespace

std::optional<u32> get_maptrack_handle(vcpu& curr) {
  if (const auto handle = take_free_handle(curr)) return handle;
  auto& maptrack = curr.dom->grants.maptrack;
  const auto first = static_cast<u32>(maptrack.size());
  // Xen would now take a handle from another vCPU's list, one chosen at random.
  if (first == max_maptrack_frames * maptrack_per_page) return std::nullopt;
  for (u32 next = first + 1; next <= first + maptrack_per_page; ++next)
    maptrack.push_back({.ref = next, .vcpu = curr.id});
  if (curr.maptrack_tail == MAPTRACK_TAIL) curr.maptrack_tail = first + maptrack_per_page - 1;
  maptrack.back().ref = curr.maptrack_head;
  curr.maptrack_head = first + 1;
  return first;
}

void put_maptrack_handle(domain& d, u32 handle) {
  auto& maptrack = d.grants.maptrack;
  maptrack[handle].ref = MAPTRACK_TAIL;
  vcpu& v = *d.vcpus[maptrack[handle].vcpu];
  maptrack[v.maptrack_tail].ref = handle;
  v.maptrack_tail = handle;
}

}  // namespace pvmmu::xen
