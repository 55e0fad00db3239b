// Every place at which the model refuses something has a rule that explains it, or passes on what another refused.

#include "tools/why/rules.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "proto/abi/errno.h"

namespace pvmmu::tools {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(PVMMU_SOURCE_DIR + std::string("/hypervisor-model/") + path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> all_matches(const std::string& text, const std::string& pattern, std::size_t group) {
  const std::regex wanted(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), wanted), end; at != end; ++at) found.push_back((*at)[group]);
  return found;
}

/// The sites of a file, those in arrays of lines included.
std::vector<xen::message_site> sites_of(const std::string& text) {
  static std::map<std::string, std::string> files;  // outlives the sites
  const std::regex name(R"re(std::string_view (\w+) = "([^"]+)")re");
  for (std::sregex_iterator at(text.begin(), text.end(), name), end; at != end; ++at) files[(*at)[1]] = (*at)[2];
  std::vector<xen::message_site> sites;
  const std::regex site(R"(\{(\w+_[ch]), (\d+)\})");
  for (std::sregex_iterator at(text.begin(), text.end(), site), end; at != end; ++at)
    sites.push_back({files.at((*at)[1]), static_cast<unsigned>(std::stoul((*at)[2]))});
  for (const std::string& lines : all_matches(text, R"(lines\[\] = \{([^}]+)\})", 1))
    for (const std::string& line : all_matches(lines, R"(\d+)", 0))
      sites.push_back({files.at("mm_c"), static_cast<unsigned>(std::stoul(line))});
  return sites;
}

TEST(rules_test, every_site_is_explained) {
  std::size_t seen = 0;
  for (const char* const file : {"messages.cpp", "unsaid.cpp"}) {
    for (const xen::message_site& site : sites_of(text_of(file))) {
      ++seen;
      if (site.line == 98) continue;  // no refusal: a global bit is taken as it is
      EXPECT_NE(rule_at(site) != nullptr, passes_on(site)) << site.file << ":" << site.line;
    }
  }
  EXPECT_GT(seen, 55u);
}

// What is refused without a word has an error at least.
TEST(rules_test, every_error_is_explained) {
  for (const xen_errno e :
       {xen_errno::eperm, xen_errno::enoent, xen_errno::esrch, xen_errno::enomem, xen_errno::eacces, xen_errno::efault,
        xen_errno::ebusy, xen_errno::eexist, xen_errno::einval, xen_errno::enosys, xen_errno::eopnotsupp})
    EXPECT_NE(rule_of_error(to_result(e)).rule, rule_of_error(0).rule) << static_cast<int>(e);
}

}  // namespace
}  // namespace pvmmu::tools
