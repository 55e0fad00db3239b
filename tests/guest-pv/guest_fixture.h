#pragma once
// A machine with one domain and a kernel that has booted in it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest-pv/guest_stopped.h"
#include "guest-pv/kernel.h"
#include "hypervisor-model/audit.h"
#include "tests/guest-pv/direct_hypercalls.h"

namespace pvmmu::guest {

inline constexpr u64 MiB = u64{1} << 20;
inline constexpr u64 GiB = u64{1} << 30;

struct running_guest {
  explicit running_guest(kernel_config config, domain_kind kind = domain_kind::dom0, bool debug_build = false)
      : m({.frames = 1 << 16, .debug_build = debug_build}),
        info(xen::build_domain(m, {.kind = kind, .vcpus = config.vcpus}).value()),
        xen(m, info),
        k(xen, info, config) {
    k.boot();
    xen.calls.clear();
  }

  /// Writes `first`, `first` + 1 … to the first word of each page.
  void fill(mm& mm, u64 va, u64 pages, u64 first = 1) {
    for (u64 i = 0; i < pages; ++i) ASSERT_TRUE(k.write(0, mm, va + i * PAGE_SIZE, first + i));
  }
  /// How many pages do not read as `fill` has written them.
  u64 wrong_pages(mm& mm, u64 va, u64 pages, u64 first = 1) {
    u64 wrong = 0;
    for (u64 i = 0; i < pages; ++i) wrong += k.read(0, mm, va + i * PAGE_SIZE) != first + i;
    return wrong;
  }
  /// "count_info type_info" of every frame of the machine.
  std::vector<std::pair<u64, u64>> counts() const {
    std::vector<std::pair<u64, u64>> all;
    all.reserve(m.config().frames);
    for (u64 n = 0; n < m.config().frames; ++n) all.emplace_back(m.page({n}).count_info, m.page({n}).type_info);
    return all;
  }

  xen::machine m;
  start_info info;
  direct_hypercalls xen;
  kernel k;
};

}  // namespace pvmmu::guest
