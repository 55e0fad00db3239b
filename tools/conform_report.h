#pragma once
// What `pvmmu conform` found, for people and as JSON.

#include <string>
#include <vector>

#include "tools/conform/campaign.h"
#include "tools/conform/file_check.h"

namespace pvmmu::tools {

struct conform_report {
  std::string xen_version;
  std::optional<u64> seed;                         ///< of a campaign
  conform::campaign_report campaign{};             ///< of a campaign
  std::vector<std::string> saved{};                ///< a file for each of campaign.found
  std::vector<conform::named_program> programs{};  ///< from files
  std::vector<conform::checked_program> checked{};

  u64 calls() const;
  u64 differ() const;
  /// Expectations of files that the real Xen does not meet.
  u64 unmet() const;
};

std::string report_text(const conform_report& report);
std::string report_json(const conform_report& report);

}  // namespace pvmmu::tools
