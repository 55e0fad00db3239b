#pragma once
// A package of Debian, fetched and unpacked, never installed.
//
//   const std::string name = "busybox-static";
//   const debian_package busybox = fetch_package(name, candidate_version(name), {"bin"});
//   busybox.folder / "bin/busybox"
//
// They lie in $PVMMU_LAB_CACHE, else $XDG_CACHE_HOME/pvmmu, else $HOME/.cache/pvmmu, a folder for each version of each:
// it is downloaded at the first time, and when apt offers another version.

#include <filesystem>
#include <string>
#include <vector>

namespace pvmmu::lab {

struct debian_package {
  std::string name;
  std::string version;           ///< as apt names it
  std::filesystem::path folder;  ///< what `/` would be if it were installed
};

/// The version that apt would download now. Throws lab_error, as all that follow: no apt, no such package.
std::string candidate_version(const std::string& name);

/// Of the package only what is in these top folders is unpacked. Throws: no network, no place to write to.
debian_package fetch_package(const std::string& name, const std::string& version,
                             const std::vector<std::string>& top_folders);

/// Names of packages that begin so, as apt knows them, in no order.
std::vector<std::string> package_names(const std::string& prefix);

/// A file of a package. Throws if it is not there: who has removed it must remove the folder, too.
std::filesystem::path file_of(const debian_package& package, const std::filesystem::path& file);

}  // namespace pvmmu::lab
