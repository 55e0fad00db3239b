#include "tools/lab/debian_package.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "tools/lab/lab_error.h"
#include "tools/lab/process.h"

namespace pvmmu::lab {
namespace {

namespace fs = std::filesystem;

fs::path cache_folder() {
  const auto variable = [](const char* name) -> fs::path {
    const char* value = std::getenv(name);
    return value ? value : "";
  };
  if (const fs::path own = variable("PVMMU_LAB_CACHE"); !own.empty()) return own;
  if (const fs::path cache = variable("XDG_CACHE_HOME"); !cache.empty()) return cache / "pvmmu";
  if (const fs::path home = variable("HOME"); !home.empty()) return home / ".cache" / "pvmmu";
  throw lab_error("no place for packages: neither PVMMU_LAB_CACHE, XDG_CACHE_HOME nor HOME is set");
}

/// Runs a command in a folder; its failure is the lab's.
void run_in(const fs::path& folder, std::vector<std::string> args, const std::string& what) {
  std::vector<std::string> all{"env", "--chdir=" + folder.string()};
  all.insert(all.end(), args.begin(), args.end());
  const command_output output = run_command(all);
  if (output.status != 0) throw lab_error(fmt::format("{}: {} says:\n{}", what, args[0], output.text));
}

/// Downloads into `folder`: the file's path.
fs::path download(const std::string& name, const std::string& version, const fs::path& folder) {
  run_in(folder, {"apt-get", "download", fmt::format("{}={}", name, version)},
         fmt::format("Debian's package {} cannot be downloaded; is there a network, and are apt's lists fresh "
                     "(apt-get update)?",
                     name));
  for (const fs::directory_entry& entry : fs::directory_iterator{folder})
    if (entry.path().extension() == ".deb") return entry.path();
  throw lab_error(fmt::format("apt-get download {} brought no package", name));
}

/// dpkg-deb unpacks all or nothing, and a kernel's modules are fifty times the kernel.
void unpack(const fs::path& deb, const fs::path& folder, const std::vector<std::string>& top_folders) {
  std::vector<std::string> command{"sh", "-c", "dpkg-deb --fsys-tarfile \"$0\" | tar -x \"$@\"", deb.string()};
  for (const std::string& top : top_folders) command.push_back("./" + top);
  run_in(folder, command, "a package cannot be unpacked");
}

/// All happens in a folder that gets its name only when all is there: who is interrupted leaves none.
void fetch_into(const debian_package& package, const std::vector<std::string>& top_folders) {
  const fs::path half = package.folder.parent_path() / fmt::format("unfinished-{}", getpid());
  fs::remove_all(half);  // of a process that had our number
  fs::create_directories(half);
  const fs::path deb = download(package.name, package.version, half);
  unpack(deb, half, top_folders);
  fs::remove(deb);
  std::error_code taken;  // By another process that was faster: then its folder is as good.
  fs::rename(half, package.folder, taken);
  if (taken) fs::remove_all(half);
}

}  // namespace

std::string candidate_version(const std::string& name) {
  std::istringstream lines{run_command({"apt-cache", "policy", name}).text};
  const std::string label = "  Candidate: ";
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(label) && !line.ends_with("(none)")) return line.substr(label.size());
  throw lab_error(
      fmt::format("apt knows no package {}: a Debian 12 with its archive in apt's sources is needed; "
                  "perhaps apt-get update helps",
                  name));
}

debian_package fetch_package(const std::string& name, const std::string& version,
                             const std::vector<std::string>& top_folders) {
  debian_package package{name, version, cache_folder() / (name + '_' + version)};
  if (!fs::exists(package.folder)) fetch_into(package, top_folders);
  return package;
}

std::vector<std::string> package_names(const std::string& prefix) {
  std::istringstream lines{run_command({"apt-cache", "pkgnames", prefix}).text};
  std::vector<std::string> names;
  for (std::string name; std::getline(lines, name);) names.push_back(name);
  return names;
}

fs::path file_of(const debian_package& package, const fs::path& file) {
  fs::path path = package.folder / file;
  if (!fs::exists(path))
    throw lab_error(
        fmt::format("{} is not there; remove {} to fetch it again", path.string(), package.folder.string()));
  return path;
}

}  // namespace pvmmu::lab
