#include "tools/import.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

#include "hypervisor-model/machine/page_info.h"
#include "tools/capture_calls.h"
#include "tools/capture_frames.h"
#include "tools/command.h"
#include "tools/recorder/latest_link.h"
#include "tools/recording_file.h"
#include "tools/snapshot_records.h"

namespace pvmmu::tools {
namespace {

namespace json = boost::json;

/// The state at one end of the capture.
struct captured_state {
  std::string path;
  std::vector<captured_frame> frames;
  std::map<mfn_t, table_words> tables;
};

captured_owners find_owners(const captured_state& state) {
  captured_owners owners;
  for (const auto& [mfn, words] : state.tables) {
    const u32 owner = state.frames[mfn.n].owner;
    if (owners.domain != 0 && owner != owners.domain) {
      throw input_error(fmt::format("{}: tables of owners {:#x} and {:#x}: one domain's are expected (mfn {:#x})",
                                    state.path, owners.domain, owner, mfn.n));
    }
    owners.domain = owner;
  }
  owners.dom_io = state.frames.front().owner;
  std::set<u32> others;
  for (const captured_frame& frame : state.frames) {
    if (frame.owned() && frame.owner != owners.domain && frame.owner != owners.dom_io) others.insert(frame.owner);
  }
  if (owners.domain == 0 || owners.dom_io == owners.domain || others.size() > 1) {
    throw input_error(fmt::format("{}: the domain, dom_io and dom_xen are expected to own frames: {} owners were found",
                                  state.path, others.size() + 2));
  }
  if (!others.empty()) owners.dom_xen = *others.begin();
  return owners;
}

/// Entries in the upper half that are the guest's: the kernel's direct map and image.
auto guest_upper_half_entries(const table_words& words) {
  return std::ranges::count_if(words.begin() + last_xen_slot + 1, words.end(), present);
}

recording::loaded_tables find_loaded_tables(const captured_state& state) {
  std::vector<std::pair<long, u64>> loaded;  // entries in the upper half, mfn
  for (const auto& [mfn, words] : state.tables) {
    const u64 type_info = state.frames[mfn.n].type_info;
    const u64 pins = (type_info & xen::PGT_pinned) != 0 ? 1 : 0;
    if (xen::table_level(type_info) == 4 && (type_info & xen::PGT_count_mask) == pins + 1)
      loaded.emplace_back(guest_upper_half_entries(words), mfn.n);
  }
  std::ranges::sort(loaded, std::greater{});
  if (loaded.size() != 2 || loaded[0].first == loaded[1].first) {
    throw input_error(
        fmt::format("{}: {} L4s have one type reference more than their pin: two are expected, of which "
                    "the kernel's maps more of the upper half",
                    state.path, loaded.size()));
  }
  recording::loaded_tables tables;
  tables.set_kernel_mfn(loaded[0].second);
  tables.set_user_mfn(loaded[1].second);
  return tables;
}

/// Reads a capture in order and writes its recording.
class importer {
 public:
  importer(const std::string& prefix, recording_writer& writer)
      : before_{prefix + ".ft0", read_frame_table(prefix + ".ft0"), {}},
        after_{prefix + ".ft1", read_frame_table(prefix + ".ft1"), {}},
        calls_(prefix + ".jsonl"),
        writer_(writer) {
    if (before_.frames.size() != after_.frames.size()) {
      throw input_error(fmt::format("{}: {} frames, but {} in {}: as many are expected", after_.path,
                                    after_.frames.size(), before_.frames.size(), before_.path));
    }
    result_.machine_frames = before_.frames.size();
    add_header(std::filesystem::path(prefix).filename());
  }

  import_result run() {
    bool begun = false;
    while (auto item = calls_.next()) {
      if (auto* table = std::get_if<captured_table>(&*item)) {
        take_table(*table, begun);
        continue;
      }
      if (!std::exchange(begun, true)) begin();
      recording::record record;
      *record.mutable_piece() = std::move(std::get<recording::piece>(*item));
      writer_.add(record);
      ++result_.pieces;
    }
    if (!begun) begin();
    take_snapshot(after_, {});
    return result_;
  }

 private:
  void add_header(const std::string& guest) {
    recording::record record;
    recording::header& header = *record.mutable_header();
    header.set_format_version(recording_format_version);
    header.set_tool_version(PVMMU_VERSION);
    header.set_real(true);
    header.set_hypervisor("Xen 4.17.7");
    header.set_guest(guest);
    header.set_machine_frames(result_.machine_frames);
    writer_.add(record);
  }

  void take_table(const captured_table& table, bool begun) {
    const bool at_start = table.when == captured_table::moment::start;
    if (table.mfn.n >= result_.machine_frames)
      calls_.fail(fmt::format("mfn {}: frames below {} are expected", table.mfn.n, result_.machine_frames));
    if (at_start && begun) calls_.fail("contents of the start are expected before the first call");
    (at_start ? before_ : after_).tables[table.mfn] = table.words;
  }

  void begin() {
    owners_ = find_owners(before_);
    result_.tables = before_.tables.size();
    take_snapshot(before_, {find_loaded_tables(before_)});
  }

  void take_snapshot(const captured_state& state, std::vector<recording::loaded_tables> vcpus) {
    const machine_state whole{to_runs(state.frames, owners_), state.tables, std::move(vcpus)};
    result_.domain_frames = whole.domain_frames();
    add_snapshot(writer_, whole);
  }

  captured_state before_;
  captured_state after_;
  capture_calls calls_;
  recording_writer& writer_;
  captured_owners owners_;
  import_result result_;
};

}  // namespace

import_result import_capture(const std::string& prefix, const std::string& recording_path) {
  auto writer = recording_writer::create(recording_path);
  if (!writer) throw std::runtime_error(writer.error());
  import_result result = importer(prefix, *writer).run();
  const auto bytes = writer->finish();
  if (!bytes) throw std::runtime_error(bytes.error());
  result.file_bytes = *bytes;
  return result;
}

namespace {

struct import_options {
  std::string prefix;
  std::string recording_path;
};

void run_import(const import_options& options, context& ctx) {
  check_name(options.recording_path);
  const import_result result = import_capture(options.prefix, options.recording_path);
  if (const auto why_not = link_latest(options.recording_path)) ctx.say("{}", *why_not);
  if (ctx.json) {
    const json::object document{{"recording", options.recording_path},
                                {"machine_frames", result.machine_frames},
                                {"domain_frames", result.domain_frames},
                                {"tables", result.tables},
                                {"pieces", result.pieces},
                                {"file_bytes", result.file_bytes}};
    write_result(json::serialize(document) + "\n");
  } else {
    write_result(fmt::format("{}: {} frames, {} of them the domain's, {} page tables, {} pieces of calls, {} bytes\n",
                             options.recording_path, result.machine_frames, result.domain_frames, result.tables,
                             result.pieces, result.file_bytes));
  }
}

}  // namespace

void add_import_command(CLI::App& app, context& ctx) {
  CLI::App* command = app.add_subcommand("import", "Make a recording of a capture of the real Xen");
  auto options = std::make_shared<import_options>();
  command
      ->add_option("PREFIX", options->prefix, "The capture: PREFIX.ft0, PREFIX.ft1 and PREFIX.jsonl, each may be .xz")
      ->required();
  command->add_option("-o,--output", options->recording_path, "The recording to write")->required()->type_name("FILE");
  command->footer("Example: pvmmu import captures/l61-fork -o l61-fork.rec");
  command->callback([options, &ctx] { run_import(*options, ctx); });
}

}  // namespace pvmmu::tools
