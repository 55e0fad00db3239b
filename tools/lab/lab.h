#pragma once
// The real Xen, asked: boots Debian's Xen in QEMU with the probe as its dom0, lets it run programs, and reads what
// became of their frames.
//
//   lab real{{.probe = path_of_the_probe}};
//   session s = real.run(programs);               // boots: some seconds, and about 100 µs a program
//   s.answers[0].calls[0].result                  // what Xen returned
//   mfn_t mfn = *s.answers[0].frame(3);
//   s.memory->frame(mfn).type_info                // the real frame table
//   s.memory->words(mfn)[17]                      // and memory, as they are at the end of all programs
//
// Needs qemu-system-x86_64 and, once, a Debian archive from which apt can download Xen (packages.h). Nothing is
// installed.

#include <chrono>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tools/lab/lab_error.h"
#include "tools/lab/machine_facts.h"
#include "tools/lab/memory_image.h"
#include "tools/lab/packages.h"
#include "tools/lab/program.h"

namespace pvmmu::lab {

struct lab_options {
  std::filesystem::path probe;        ///< the guest's ELF file
  std::chrono::seconds timeout{300};  ///< from power on to the last answer
  u64 megabytes = 1024;               ///< the machine's, below 3072
  u64 dom0_megabytes = 640;
};

struct session {
  std::vector<program_answer> answers;         ///< one a program
  std::shared_ptr<const memory_image> memory;  ///< at the end of all programs
  /// The frame table after that, once the foreign domain has been destroyed. Empty if the probe did not live so long.
  std::vector<xen::page_info> after_foreign;
  machine_facts facts;
  std::string serial;  ///< what Xen and the probe printed
};

class lab {
 public:
  /// Looks for QEMU and fetches Xen. Throws lab_error.
  explicit lab(lab_options options);

  /// Runs all programs in one boot, in this order. Without programs: Xen as dom0 finds it at its entry. If Xen crashes
  /// the domain in one, that one has the answers up to the fatal call, and those after it are not_run. Throws lab_error
  /// if the machine does not get so far, and std::invalid_argument for a program that cannot be said (encode.h).
  session run(std::span<const program> programs) const;

  /// How many of the programs, from the first on, one boot has frames and memory for.
  std::size_t batch(std::span<const program> programs) const;
  const std::string& xen_version() const { return xen_.version; }

 private:
  lab_options options_;
  std::string qemu_version_;
  xen_package xen_;
};

}  // namespace pvmmu::lab
