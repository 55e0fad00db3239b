#include "tools/record.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <stdexcept>

#include "tools/command.h"
#include "tools/overlap_counter.h"
#include "tools/record_session.h"
#include "tools/recorder/latest_link.h"

namespace pvmmu::tools {
namespace {

namespace json = boost::json;

recording::record header_record(const record_session& session, const record_options& options, u64 machine_frames) {
  recording::record record;
  recording::header& header = *record.mutable_header();
  const std::string& release = session.kernel().release;
  header.set_format_version(recording_format_version);
  header.set_tool_version(PVMMU_VERSION);
  header.set_real(true);
  header.set_hypervisor("Xen " + session.xen_version());
  header.set_kernel_release(release.substr(0, release.find(' ')));
  header.set_guest(fmt::format("Linux {}: {}", header.kernel_release(), options.run));
  header.set_machine_frames(machine_frames);
  return record;
}

u64 frames_of(const machine_state& state) {
  u64 frames = 0;
  for (const frame_run& run : state.frames) frames += run.length;
  return frames;
}

/// The pieces of what was heard, into the file.
void write_pieces(std::span<const u8> heard, caller_finder callers, recording_writer& writer, record_result& result) {
  piece_maker pieces{std::move(callers)};
  overlap_counter overlaps;
  recording::record record;
  for (lab::event_stream events{heard}; auto event = events.next();) {
    pieces.take(*event);
    while (auto piece = pieces.next()) {
      ++result.pieces;
      overlaps.take(*piece);
      *record.mutable_piece() = std::move(*piece);
      writer.add(record);
    }
  }
  result.overlapping = overlaps.overlapping();
  result.not_recorded = pieces.not_recorded();
  result.never_returned = pieces.never_returned();
}

}  // namespace

record_result record(const record_options& options, const talk& say) {
  auto writer = recording_writer::create(options.recording_path);
  if (!writer) throw std::runtime_error(writer.error());
  record_session session{options, say};
  const machine_state before = session.begin();
  record_result result;
  result.status = session.run().value_or(0);
  const machine_state after = session.end();
  const caller_finder callers = session.read_callers();

  say("writing");
  const recording::record header = header_record(session, options, frames_of(before));
  result.kernel_release = header.header().kernel_release();
  result.tables = before.tables.size();
  writer->add(header);
  add_snapshot(*writer, before);
  write_pieces(session.heard(), callers, *writer, result);
  add_snapshot(*writer, after);
  const auto bytes = writer->finish();
  if (!bytes) throw std::runtime_error(bytes.error());
  result.file_bytes = *bytes;
  return result;
}

namespace {

void print_text(const record_options& options, const record_result& result) {
  std::string others;
  for (const auto& [name, count] : result.not_recorded) others += fmt::format(", {} {}", count, name);
  write_result(fmt::format(
      "{}: {} on Linux {}, {} vCPU{}: {} pieces of calls, {} overlapped, {} page tables before the first, {} bytes\n",
      options.recording_path, options.run, result.kernel_release, options.vcpus, options.vcpus == 1 ? "" : "s",
      result.pieces, result.overlapping, result.tables, result.file_bytes));
  if (!others.empty()) write_result(fmt::format("not recorded, as they touch no table: {}\n", others.substr(2)));
  if (result.never_returned != 0)
    write_result(fmt::format("not recorded, as Xen never came back from them: {} calls\n", result.never_returned));
  if (result.status != 0) write_result(fmt::format("{} ended with status {}\n", options.run, result.status));
}

void print_json(const record_options& options, const record_result& result) {
  json::object not_recorded;
  for (const auto& [name, count] : result.not_recorded) not_recorded[name] = count;
  const json::object document{{"recording", options.recording_path},
                              {"kernel_release", result.kernel_release},
                              {"run", options.run},
                              {"status", result.status},
                              {"vcpus", options.vcpus},
                              {"pieces", result.pieces},
                              {"overlapping", result.overlapping},
                              {"tables", result.tables},
                              {"file_bytes", result.file_bytes},
                              {"never_returned", result.never_returned},
                              {"not_recorded", not_recorded}};
  write_result(json::serialize(document) + "\n");
}

}  // namespace

void add_record_command(CLI::App& app, context& ctx) {
  CLI::App* command = app.add_subcommand("record", "Record a real Linux on the real Xen");
  auto options = std::make_shared<record_options>();
  command->footer(
      "Boots the kernel as PV dom0 on Debian's Xen in QEMU, waits until its /init prints INIT UP, hands it a line to "
      "run,\nand records every MMU call until it prints WORK DONE.\n"
      "Example: pvmmu record --kernel 6.1 --initrd initrd.gz --run \"workload touch\" -o touch.rec\n"
      "Needs qemu-system-x86_64, and once a Debian archive; without them the exit status is 3.");
  command->add_option("--kernel", options->kernel, "A bzImage or ELF file, or a series of Debian's: 6.1, 6.12")
      ->required()
      ->type_name("K");
  command->add_option("--initrd", options->initrd, "The first file system, with an /init that does as asked")
      ->required()
      ->type_name("FILE");
  command->add_option("--module", options->modules, "A file that Xen finds beside them")->type_name("FILE");
  command->add_option("--vcpus", options->vcpus, "Of dom0")
      ->capture_default_str()
      ->check(CLI::Range(1, 8))
      ->type_name("N");
  command->add_option("--run", options->run, "The line for /init")->required()->type_name("ARGS");
  command->add_option("--timeout", options->timeout_s, "Seconds that the boot may take, and the line")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000))
      ->type_name("S");
  command->add_option("-o,--output", options->recording_path, "The recording to write")->required()->type_name("FILE");
  command->callback([options, &ctx] {
    check_name(options->recording_path);
    const record_result result = record(*options, [&ctx](const std::string& line) { ctx.say("{}", line); });
    if (const auto why_not = link_latest(options->recording_path)) ctx.say("{}", *why_not);
    ctx.json ? print_json(*options, result) : print_text(*options, result);
    if (result.status != 0) ctx.status = exit_status::finding;
  });
}

}  // namespace pvmmu::tools
