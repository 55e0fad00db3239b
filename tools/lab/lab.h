#pragma once
// The real Xen, asked: boots Debian's Xen in QEMU with the probe as its dom0, lets it run programs, and reads what
// became of their frames.
//
//   lab real{{.probe = path_of_the_probe}};
//   session s = real.run(programs);               // boots; takes a few seconds and 20 µs a call
//   s.answers[0].calls[0].result                  // what Xen returned
//   mfn_t mfn = *s.answers[0].frame(3);
//   s.memory->frame(mfn).type_info                // the real frame table
//   s.memory->words(mfn)[17]                      // and memory, as they are at the end of all programs
//
// Needs qemu-system-x86_64 and, once, a Debian archive from which apt can download Xen; see packages.h. Nothing is
// installed. Throws lab_error, which says what is missing and how to get it.

#include <chrono>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "hypervisor-model/machine/machine.h"
#include "hypervisor-model/machine/page_info.h"
#include "tools/lab/program.h"

namespace pvmmu::lab {

/// The lab itself failed: something is not there, or Xen or QEMU did what nobody expected.
struct lab_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What answers depend on and no program can change: read from the machine before the first program.
struct machine_facts {
  std::string xen_version;  ///< the package's
  std::string qemu_version;
  u64 frames = 0;                          ///< in the frame table; PDX = MFN
  std::vector<xen::mfn_range> holes;       ///< no frame there: entries of all ones, or beyond the table's memory
  std::vector<xen::mfn_range> dom_io;      ///< frames of DOMID_IO
  std::vector<xen::mfn_range> dom_xen;     ///< frames of DOMID_XEN
  std::vector<xen::mfn_range> xen_heap;    ///< PGC_xen_heap frames
  std::vector<xen::mfn_range> dom0_iomem;  ///< what dom0 may map
  std::vector<xen::mfn_range> mmio_ro;     ///< Xen's mmio_ro_ranges
  std::array<pte_t, 16> xen_l4_slots{};    ///< 256-271 of the probe's L4
  u64 dom0_pages = 0;
};

/// The machine's memory and frame table, as they were when the last program had ended.
class memory_image {
 public:
  virtual ~memory_image() = default;
  virtual u64 frames() const = 0;
  /// Xen's own record, but for `owner`: 0 nobody, else domid + 1 as in the model (DOMID_IO, DOMID_XEN too), all ones
  /// for a hole; `next` and `prev` are 0. `mfn` is below frames().
  virtual xen::page_info frame(mfn_t mfn) const = 0;
  /// The 512 words of a frame of RAM.
  virtual std::span<const u64, entries_per_table> words(mfn_t mfn) const = 0;
};

struct session {
  std::vector<program_answer> answers;  ///< one a program
  std::shared_ptr<const memory_image> memory;
  machine_facts facts;
  std::string serial;  ///< what Xen and the probe printed
};

struct lab_options {
  std::filesystem::path probe;        ///< the guest's ELF file
  std::chrono::seconds timeout{120};  ///< from power on to the last answer
  u64 megabytes = 1024;
  u64 dom0_megabytes = 640;
};

class lab {
 public:
  explicit lab(lab_options options);
  /// Runs them all in one boot. If Xen crashes the domain at one, those after it are not_run: run them again without
  /// it. Programs need frames (nr_frames + 1 each): as many as `free_frames`.
  session run(std::span<const program> programs);
  u64 free_frames() const { return options_.dom0_megabytes * 256 - 16384; }

 private:
  lab_options options_;
};

}  // namespace pvmmu::lab
