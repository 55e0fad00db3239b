#include "tools/lab/packages.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include "tools/lab/lab_error.h"
#include "tools/lab/process.h"

namespace pvmmu::lab {
namespace {

namespace fs = std::filesystem;

constexpr const char* hypervisor = "xen-hypervisor-4.17-amd64";
constexpr const char* debug_symbols = "xen-hypervisor-4.17-amd64-dbg";

fs::path cache_folder() {
  const auto variable = [](const char* name) -> fs::path {
    const char* value = std::getenv(name);
    return value ? value : "";
  };
  if (const fs::path own = variable("PVMMU_LAB_CACHE"); !own.empty()) return own;
  if (const fs::path cache = variable("XDG_CACHE_HOME"); !cache.empty()) return cache / "pvmmu";
  if (const fs::path home = variable("HOME"); !home.empty()) return home / ".cache" / "pvmmu";
  throw lab_error("no place for Xen's packages: neither PVMMU_LAB_CACHE, XDG_CACHE_HOME nor HOME is set");
}

/// Runs a command in a folder; its failure is the lab's.
void run_in(const fs::path& folder, std::vector<std::string> args, const std::string& what) {
  std::vector<std::string> all{"env", "--chdir=" + folder.string()};
  all.insert(all.end(), args.begin(), args.end());
  const command_output output = run_command(all);
  if (output.status != 0) throw lab_error(fmt::format("{}: {} says:\n{}", what, args[0], output.text));
}

/// The version that apt would download now; empty if it knows none.
std::string candidate_version() {
  std::istringstream lines{run_command({"apt-cache", "policy", hypervisor}).text};
  const std::string label = "Candidate: ";
  for (std::string line; std::getline(lines, line);)
    if (const auto at = line.find(label); at != std::string::npos)
      return line.substr(at + label.size()) == "(none)" ? "" : line.substr(at + label.size());
  return "";
}

void write_unpacked(const fs::path& packed, const fs::path& unpacked) {
  const command_output output = run_command({"gunzip", "--stdout", packed.string()});
  if (output.status != 0) throw lab_error(fmt::format("cannot unpack {}", packed.string()));
  std::ofstream file{unpacked, std::ios::binary};
  file << output.text;
  if (!file.flush()) throw lab_error(fmt::format("cannot write {}", unpacked.string()));
}

/// Downloads and unpacks into a folder that gets its name only when all is there: an interrupted download leaves none.
void download(const std::string& version, const fs::path& folder) {
  const fs::path half = folder.parent_path() / fmt::format("unfinished-{}", getpid());
  fs::create_directories(half);
  run_in(
      half,
      {"apt-get", "download", fmt::format("{}={}", hypervisor, version), fmt::format("{}={}", debug_symbols, version)},
      "Debian's Xen cannot be downloaded; is there a network, and are apt's lists fresh (apt-get update)?");
  for (const fs::directory_entry& entry : fs::directory_iterator{half})
    if (entry.path().extension() == ".deb")
      run_in(half, {"dpkg", "-x", entry.path().string(), "."}, "a package cannot be unpacked");
  write_unpacked(half / "boot/xen-4.17-amd64.gz", half / "xen");
  std::error_code taken;  // By another process that was faster: then its folder is as good.
  fs::rename(half, folder, taken);
  if (taken) fs::remove_all(half);
}

}  // namespace

xen_package fetch_xen() {
  const std::string version = candidate_version();
  if (version.empty())
    throw lab_error(
        fmt::format("apt knows no package {}: a Debian 12 with its archive in apt's sources is needed; "
                    "perhaps apt-get update helps",
                    hypervisor));
  const fs::path folder = cache_folder() / version;
  if (!fs::exists(folder / "xen")) download(version, folder);
  xen_package package{version, folder / "xen", folder / "usr/lib/debug/boot/xen-syms-4.17-amd64.map"};
  for (const fs::path& file : {package.image, package.symbols})
    if (!fs::exists(file))
      throw lab_error(fmt::format("{} is not there; remove {} to fetch it again", file.string(), folder.string()));
  return package;
}

std::string find_qemu() {
  try {
    const std::string text = run_command({"qemu-system-x86_64", "--version"}).text;
    return text.substr(0, text.find('\n'));
  } catch (const lab_error&) {
    throw lab_error("qemu-system-x86_64 is not installed: apt-get install qemu-system-x86");
  }
}

}  // namespace pvmmu::lab
