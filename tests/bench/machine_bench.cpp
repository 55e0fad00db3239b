// Creating a domain on a machine of 1 TiB: the time, and the memory that it takes from the host.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <fstream>

#include "hypervisor-model/domain_builder.h"

namespace {

using namespace pvmmu;
using namespace pvmmu::xen;

double resident_mib() {
  u64 total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return static_cast<double>(resident * static_cast<u64>(::sysconf(_SC_PAGESIZE))) / (1 << 20);
}

void build_domain_on_one_tebibyte(benchmark::State& state) {
  double grown = 0;
  for (auto _ : state) {
    const double before = resident_mib();
    machine m({.frames = u64{1} << 28});
    auto info = build_domain(m, {.pages = static_cast<u64>(state.range(0))});
    benchmark::DoNotOptimize(info);
    grown = resident_mib() - before;
  }
  state.counters["resident_MiB"] = grown;
  state.counters["domain_MiB"] = static_cast<double>(state.range(0)) / 256;
}
BENCHMARK(build_domain_on_one_tebibyte)->Arg(4096)->Arg(16384)->Arg(1 << 18)->Unit(benchmark::kMillisecond);

}  // namespace
