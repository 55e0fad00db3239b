#include "tools/lab/packages.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <regex>
#include <vector>

#include "tools/lab/debian_package.h"
#include "tools/lab/lab_error.h"
#include "tools/lab/process.h"

namespace pvmmu::lab {
namespace {

namespace fs = std::filesystem;

/// Complete or not there, whoever else does the same now.
void write_unpacked(const fs::path& packed, const fs::path& unpacked) {
  const command_output output = run_command({"gunzip", "--stdout", packed.string()});
  if (output.status != 0) throw lab_error(fmt::format("cannot unpack {}", packed.string()));
  const fs::path half = fmt::format("{}-{}", unpacked.string(), getpid());
  std::ofstream file{half, std::ios::binary};
  file << output.text;
  if (!file.flush()) throw lab_error(fmt::format("cannot write {}", half.string()));
  fs::rename(half, unpacked);
}

/// The version that apt would download now.
debian_package fetch_newest(const std::string& name, const std::string& top_folder) {
  return fetch_package(name, candidate_version(name), {top_folder});
}

}  // namespace

xen_package fetch_xen() {
  const debian_package hypervisor = fetch_newest("xen-hypervisor-4.17-amd64", "boot");
  const debian_package debug = fetch_package("xen-hypervisor-4.17-amd64-dbg", hypervisor.version, {"usr"});
  const fs::path image = hypervisor.folder / "xen";
  if (!fs::exists(image)) write_unpacked(file_of(hypervisor, "boot/xen-4.17-amd64.gz"), image);
  return {hypervisor.version, image, file_of(debug, "usr/lib/debug/boot/xen-syms-4.17-amd64.map")};
}

linux_package fetch_linux(const std::string& series) {
  // 6.1.0-56 of Debian 12 itself, 6.12.117+deb12 of its backports.
  const std::string prefix = "linux-image-" + series + '.';
  const std::regex wanted{R"([0-9]+(-[0-9]+)?(\+deb12)?-amd64-unsigned)"};
  std::vector<std::string> names = package_names(prefix);
  std::erase_if(names, [&](const std::string& name) { return !std::regex_match(name.substr(prefix.size()), wanted); });
  if (names.empty())
    throw lab_error(
        fmt::format("apt knows no kernel of the series {} ({}*-amd64-unsigned): a Debian 12 with its archive in apt's "
                    "sources is needed; perhaps apt-get update helps",
                    series, prefix));
  const std::string newest = *std::ranges::max_element(
      names, [](const std::string& a, const std::string& b) { return strverscmp(a.c_str(), b.c_str()) < 0; });
  const debian_package package = fetch_newest(newest, "boot");
  for (const fs::directory_entry& entry : fs::directory_iterator{package.folder / "boot"})
    if (entry.path().filename().string().starts_with("vmlinuz-")) return {newest, package.version, entry.path()};
  throw lab_error(fmt::format("{} has no kernel; remove {} to fetch it again", newest, package.folder.string()));
}

fs::path fetch_busybox() { return file_of(fetch_newest("busybox-static", "bin"), "bin/busybox"); }

std::string find_qemu() {
  try {
    const std::string text = run_command({"qemu-system-x86_64", "--version"}).text;
    return text.substr(0, text.find('\n'));
  } catch (const lab_error&) {
    throw lab_error("qemu-system-x86_64 is not installed: apt-get install qemu-system-x86");
  }
}

}  // namespace pvmmu::lab
