// A suspend and a resume, held against a real one: what a PV domU that xl saved and restored asked while all its CPUs
// but one stood still (multi_cpu_stop), as domain 1 before and as domain 2 after it. The recordings beside the project
// hold these calls alone; tests/fidelity/save-restore/record.sh makes whole ones, and runs this on them.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>

#include "tools/compare/model_stream.h"
#include "tools/entry_flags.h"
#include "tools/recording_file.h"

namespace pvmmu::compare {
namespace {

struct asked {
  std::vector<std::string> calls;
  u64 set_aside = 0;  ///< that the grant table makes, which the model's kernel does not have
};

std::string words(const recording::piece& piece) {
  std::string text{name_of(piece.call())};
  for (const operation& o : operations_of(piece.call()))
    text += fmt::format(" {:#x} {} {}", o.va, tools::flags_text(o.value & ~PTE_ADDR_MASK), o.flags);
  return text;
}

bool is_called_from(const recording::piece& piece, std::string_view function) {
  return std::ranges::any_of(piece.callers(),
                             [&](const std::string& c) { return c.find(function) != std::string::npos; });
}

std::string folder() {
  const char* fresh = std::getenv("PVMMU_SAVE_RESTORE");
  return fresh ? fresh : PVMMU_SOURCE_DIR "/tests/fidelity/save-restore";
}

asked real(const std::string& kernel) {
  asked found;
  auto reader = tools::recording_reader::open(fmt::format("{}/{}.rec", folder(), kernel));
  EXPECT_TRUE(reader) << reader.error();
  for (auto record = reader->next(); record && *record; record = reader->next()) {
    const recording::piece& piece = (**record).piece();
    if (piece.domid() == 0 || !is_called_from(piece, "multi_cpu_stop")) continue;
    if (is_called_from(piece, "gnttab")) {
      ++found.set_aside;
    } else {
      found.calls.push_back(words(piece));
    }
  }
  return found;
}

asked model(const std::string& kernel) {
  const auto scenario = tools::scenario_file::parse("steps", R"(
      title: "t" domain { kernel { profile: "6.1" } }
      step { exec { mm: "a" } }
      step { mmap { va: 0x100000000000 bytes: 0x1000 } }
      step { touch { va: 0x100000000000 bytes: 0x1000 } }
      step { suspend {} }
      step { resume {} })");
  asked made;
  const guest::kernel_config config{.profile = guest::find_kernel_profile(kernel)};
  for (const whole_call& call : run_on_model(scenario, config, {}).calls) made.calls.push_back(words(call.piece));
  return made;
}

struct suspend : ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(kernels, suspend, ::testing::Values("6.1", "6.12"),
                         [](const auto& kernel) { return kernel.index == 0 ? "of_6_1" : "of_6_12"; });

// Processes are frozen where no address space is half made: all are pinned already, and nothing is pinned or unpinned.
// The shared info page goes last of all, and comes back first.
TEST_P(suspend, asks_what_the_real_one_asks) {
  const asked r = real(GetParam());
  EXPECT_EQ(model(GetParam()).calls, r.calls);
  EXPECT_EQ(r.calls.size(), 2u);
  EXPECT_EQ(r.set_aside, 3u) << "its frame unmapped; its version set, its frame mapped";
}

}  // namespace
}  // namespace pvmmu::compare
