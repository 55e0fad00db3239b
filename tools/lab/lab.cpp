#include "tools/lab/lab.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <type_traits>

#include "tools/lab/encode.h"
#include "tools/lab/fatal_line.h"
#include "tools/lab/lowered_call.h"
#include "tools/lab/machine_in_qemu.h"
#include "tools/lab/stopped_xen.h"

namespace pvmmu::lab {
namespace {

constexpr u64 frame_table_bytes_max = u64{3072} * 256 * sizeof(xen::page_info);

/// Lines after which nothing follows by itself: the probe's own, and Xen's when a domain or itself has died.
enum class ending { none, done, lost, crashed };
ending ending_of(const std::string& line) {
  if (line.starts_with("PROBE DONE") || line.starts_with("PROBE ALONE")) return ending::done;
  if (line.starts_with("PROBE LOST")) return ending::lost;
  return is_fatal(line) ? ending::crashed : ending::none;
}

struct serial_log {
  std::string text;
  u64 results_maddr = 0;
  u64 results_bytes = 0;

  void add(const std::string& line) {
    text += line;
    text += '\n';
    const std::string label = "PROBE RESULTS ";
    if (!line.starts_with(label)) return;
    char* end = nullptr;
    results_maddr = std::strtoull(line.c_str() + label.size(), &end, 16);
    results_bytes = std::strtoull(end, nullptr, 16);
  }

  /// Its end, for a message.
  std::string tail() const { return text.size() < 2000 ? text : text.substr(text.size() - 2000); }
};

/// Until the programs are done or can go on no more. Throws lab_error when they never will, and nobody knows why.
ending follow(machine_in_qemu& machine, serial_log& log, std::chrono::seconds timeout) {
  const deadline until{timeout};
  std::optional<deadline> last_words;  // Xen prints more after the line that says that all is over.
  ending how = ending::none;
  while (true) {
    const auto line = machine.next_line(last_words ? *last_words : until);
    if (!line) break;
    log.add(*line);
    if (const ending e = ending_of(*line); e != ending::none && how == ending::none) {
      how = e;
      if (e != ending::crashed) return how;
      last_words.emplace(std::chrono::milliseconds(200));
    }
  }
  if (machine.ended())
    throw lab_error(
        fmt::format("QEMU ended by itself.\n{}\nThe serial port said last:\n{}", machine.complaints(), log.tail()));
  if (how == ending::none)
    throw lab_error(
        fmt::format("Xen did not finish within {} s. The serial port said last:\n{}", timeout.count(), log.tail()));
  return how;
}

std::span<const u8> results_of(const serial_log& log, const shared_memory& ram) {
  if (log.results_bytes == 0 || log.results_maddr > ram.bytes() || log.results_bytes > ram.bytes() - log.results_maddr)
    throw lab_error(fmt::format("the probe did not begin. The serial port said last:\n{}", log.tail()));
  return {ram.data() + log.results_maddr, log.results_bytes};
}

void let_probe_go_on(const serial_log& log, shared_memory& ram) {
  const u64 go_on = 1;
  std::memcpy(ram.data() + log.results_maddr + offsetof(probe::results_header, go_on), &go_on, sizeof go_on);
}

probe::results_header header_of(std::span<const u8> results) {
  probe::results_header header;
  std::memcpy(&header, results.data(), sizeof header);
  return header;
}

/// Frames that Xen may hand out in a call, as far as it has so many: the rest is refused.
u64 taken_by(const call& c) {
  constexpr u32 large_order = 9;
  const auto taken = [](const auto& op) -> u64 {
    if constexpr (std::is_same_v<std::decay_t<decltype(op)>, memory_op>)
      if (const auto* r = std::get_if<memory_reservation>(&op.arg); r && r->extent_order <= large_order)
        return (op.cmd & MEMOP_CMD_MASK) == XENMEM_decrease_reservation ? 0
                                                                        : r->extents.words.size() << r->extent_order;
    return 0;
  };
  if (const auto* list = std::get_if<multicall>(&c)) {
    u64 sum = 0;
    for (const simple_call& entry : list->entries) sum += std::visit(taken, entry);
    return sum;
  }
  return std::visit(taken, c);
}

/// What programs use up of one boot.
struct cost {
  u64 frames = 0;       ///< of dom0
  u64 heap_frames = 0;  ///< of Xen, which other domains' come from, and what calls ask for
  u64 grants = 8;       ///< the first ones are Xen's tools' own
  u64 result_bytes = 0;

  void add(const program& p) {
    frames += p.nr_frames + 2;  // the window's L1, and more than its share of the tables above
    heap_frames += p.nr_foreign;
    // A program's grants lie in one frame, and some may be left over at the end of the one before.
    const u64 room = probe::grants_per_frame - grants % probe::grants_per_frame;
    grants += p.nr_grants > room ? room + p.nr_grants : p.nr_grants;
    result_bytes += sizeof(probe::program_result) + (p.nr_frames + p.nr_adopted + p.nr_foreign) * sizeof(u64);
    for (const call& c : p.calls) {
      heap_frames += taken_by(c);
      result_bytes += sizeof(probe::call_result);
      for (const out_part& part : lower(c).out) result_bytes += part.nr_words * sizeof(u64);
    }
  }
};

}  // namespace

lab::lab(lab_options options) : options_(std::move(options)), qemu_version_(find_qemu()), xen_(fetch_xen()) {}

std::size_t lab::batch(std::span<const program> programs) const {
  const u64 frames_per_mib = (1 << 20) / PAGE_SIZE;
  const cost most{.frames = (options_.dom0_megabytes - 192) * frames_per_mib,  // less the probe's image and its tables
                  .heap_frames = (options_.megabytes - options_.dom0_megabytes) / 2 * frames_per_mib,
                  .grants = probe::nr_grant_frames * probe::grants_per_frame,
                  .result_bytes = probe::results_capacity - sizeof(probe::results_header)};
  cost sum;
  std::size_t count = 0;
  for (const program& p : programs) {
    sum.add(p);
    if (sum.frames > most.frames || sum.heap_frames > most.heap_frames || sum.grants > most.grants ||
        sum.result_bytes > most.result_bytes)
      break;
    ++count;
  }
  return count;
}

session lab::run(std::span<const program> programs) const {
  const std::vector<u8> bytes = encode(programs);
  shared_memory module{"programs", bytes.size()};
  std::memcpy(module.data(), bytes.data(), bytes.size());
  const auto ram = std::make_shared<shared_memory>("ram", options_.megabytes << 20);
  shared_memory dump{"dump", frame_table_bytes_max};

  machine_in_qemu machine{{.xen = xen_.image,
                           .modules = {{options_.probe, ""}, {module.path(), ""}},
                           .megabytes = options_.megabytes,
                           .dom0_megabytes = options_.dom0_megabytes,
                           .dom0_vcpus = 2},
                          *ram};
  serial_log log;
  const ending how = follow(machine, log, options_.timeout);
  if (how == ending::lost) throw lab_error(fmt::format("the probe is lost:\n{}", log.tail()));
  const symbol_map symbols{xen_.symbols};
  const auto stopped = std::make_shared<stopped_xen>(machine, ram, dump, symbols);
  const std::span<const u8> results = results_of(log, *ram);
  session s;
  s.answers = decode(programs, results);
  s.facts = read_facts(*stopped, header_of(results), log.text);
  if (how == ending::done && !programs.empty()) {
    for (const program_answer& a : s.answers)
      for (const mfn_t mfn : a.foreign) stopped->keep(mfn);
    let_probe_go_on(log, *ram);
    machine.monitor().cont();
    if (follow(machine, log, options_.timeout) != ending::done)
      throw lab_error(fmt::format("the foreign domain was not destroyed:\n{}", log.tail()));
    s.after_foreign = stop_and_read_frame_table(machine, dump, symbols);
  }
  s.memory = stopped;
  s.facts.xen_version = xen_.version;
  s.facts.qemu_version = qemu_version_;
  s.serial = std::move(log.text);
  return s;
}

}  // namespace pvmmu::lab
