#pragma once
// One scenario under every kernel, with and without split page-table locks: what the marked steps cost, what was said,
// and sentences that say what the table shows.

#include <boost/json/value.hpp>
#include <string>
#include <vector>

#include "guest-pv/kernel_profile.h"
#include "tools/connection.h"
#include "tools/progress.h"
#include "tools/report/tally.h"

namespace pvmmu::tools {

/// CONFIG_NR_CPUS with which page-table locks are split, and not.
inline constexpr u32 nr_cpus_split = 8192;
inline constexpr u32 nr_cpus_not_split = 2;

/// A kernel and how the scenario went under it.
struct matrix_row {
  const guest::kernel_profile* profile = nullptr;
  bool split = false;
  tally measured;                     ///< of the marked steps
  std::string sequence;               ///< of the marked steps: call_sequence.h
  std::vector<std::string> messages;  ///< of the whole scenario, as they were printed: Xen's and Linux's
  std::vector<finding> findings;      ///< memory that lost its contents, a kernel that stopped
};

struct matrix {
  std::string title;
  std::string file;
  bool debug_build = false;
  std::vector<std::string> measured_steps;  ///< in words
  u64 checked_reads = 0;                    ///< reads whose value the scenario expects, a row
  std::vector<matrix_row> rows;

  u64 count_findings() const;
};

/// Throws `input_error` where no step is marked or no domain has a kernel.
matrix run_matrix(const scenario_file& file, connection& server, bool shows_progress);

/// The sentences below the table. Each is there because of what the rows hold.
std::vector<std::string> explain(const matrix& m);

std::string text_report(const matrix& m, bool colored);
boost::json::value json_report(const matrix& m);

}  // namespace pvmmu::tools
