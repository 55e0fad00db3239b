// `pvmmu initrd`: a first file system for the Linux that `pvmmu record` boots.

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tools/command.h"
#include "tools/lab/initrd.h"
#include "tools/lab/packages.h"

namespace pvmmu::tools {
namespace {

struct initrd_options {
  std::vector<std::filesystem::path> programs;
  std::filesystem::path output;
};

void initrd_command(const initrd_options& options, const context& ctx) {
  const std::string archive = lab::make_initrd(lab::fetch_busybox(), options.programs);
  std::ofstream out{options.output, std::ios::binary};
  out << archive;
  if (!out.flush()) throw std::runtime_error(fmt::format("{}: cannot be written", options.output.string()));
  if (ctx.json) {
    const boost::json::object document{
        {"initrd", options.output.string()}, {"programs", options.programs.size()}, {"file_bytes", archive.size()}};
    write_result(boost::json::serialize(document) + "\n");
  } else {
    write_result(fmt::format("{}: busybox and {} program{}, {} bytes\n", options.output.string(),
                             options.programs.size(), options.programs.size() == 1 ? "" : "s", archive.size()));
  }
}

}  // namespace

void add_initrd_command(CLI::App& app, context& ctx) {
  auto options = std::make_shared<initrd_options>();
  CLI::App* command = app.add_subcommand("initrd", "Make an initrd of static programs, for record");
  command->footer(
      "Puts Debian's busybox-static, which is downloaded once, and the programs into /bin of an archive, and an /init\n"
      "that prints INIT UP, runs each line that it reads and prints WORK DONE.\n"
      "Example: pvmmu initrd build/workload -o initrd\n"
      "         pvmmu record --kernel 6.1 --initrd initrd --run \"workload touch\" -o touch.rec");
  command->add_option("PROGRAM", options->programs, "Static programs for x86-64, or scripts");
  command->add_option("-o,--output", options->output, "The initrd to write")->required()->type_name("FILE");
  command->callback([options, &ctx] { initrd_command(*options, ctx); });
}

}  // namespace pvmmu::tools
