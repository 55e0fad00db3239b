#include "tools/record_session.h"

#include <fmt/format.h>

#include <thread>

#include "tools/lab/lab_error.h"
#include "tools/record_snapshot.h"

namespace pvmmu::tools {
namespace {

constexpr u64 megabytes = 1024;
constexpr u64 frame_table_bytes = megabytes * 256 * sizeof(xen::page_info) * 2;
constexpr unsigned stops_tried = 200;

lab::linux_boot boot_of(const record_options& o, const lab::linux_image& kernel, const lab::ears& hearing) {
  lab::linux_boot boot{.kernel = kernel.file, .initrd = o.initrd};
  for (const std::string& module : o.modules) boot.modules.emplace_back(module);
  boot.vcpus = o.vcpus;
  boot.megabytes = megabytes;
  boot.plugin = hearing.plugin();
  boot.inherited = {hearing.descriptor()};
  return boot;
}

/// Xen locks a page while it handles a fault on it, before it calls what is listened to and behind it.
bool is_any_locked(const lab::stopped_xen& xen) {
  for (mfn_t mfn{0}; mfn.n < xen.frames(); mfn = mfn + 1) {
    const xen::page_info pg = xen.frame(mfn);
    if (pg.owner == xen::owner_of(0) && (pg.type_info & xen::PGT_locked) != 0) return true;
  }
  return false;
}

}  // namespace

record_session::record_session(const record_options& options, const talk& say)
    : options_(options),
      say_(say),
      kernel_(lab::find_linux(options.kernel)),
      xen_(lab::fetch_xen()),
      xen_symbols_(xen_.symbols),
      hearing_(PVMMU_RECORDER_PLUGIN, xen_symbols_),
      ram_(std::make_shared<lab::shared_memory>("ram", megabytes << 20)),
      dump_("dump", frame_table_bytes),
      session_(boot_of(options, kernel_, hearing_), xen_, *ram_) {
  say_(fmt::format("booting {} as dom0 of Xen {}", kernel_.release.empty() ? options.kernel : kernel_.release,
                   xen_.version));
  session_.wait_until_up(std::chrono::seconds{options.timeout_s});
}

/// Takes what was heard since the last time.
bool record_session::is_within_call() {
  const std::span<const u8> all = hearing_.heard();
  for (lab::event_stream events{all.subspan(end_)}; auto event = events.next();) listened_.take(*event);
  end_ = all.size();
  while (const auto piece = listened_.next()) roots_.take(*piece);
  return listened_.is_within_call();
}

std::unique_ptr<lab::stopped_xen> record_session::stop() {
  for (unsigned i = 0; i < stops_tried; ++i) {
    auto xen = std::make_unique<lab::stopped_xen>(session_.machine(), ram_, dump_, xen_symbols_);
    if (!is_within_call() && !is_any_locked(*xen)) return xen;
    session_.machine().monitor().cont();
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  throw lab::lab_error(
      "whenever the machine was stopped, an MMU call was running: a quiet moment is expected at INIT "
      "UP and after WORK DONE");
}

machine_state record_session::begin() {
  const auto xen = stop();
  machine_state state = read_state(*xen, roots_.vcpus());
  hearing_.forget();
  end_ = 0;
  session_.machine().monitor().cont();
  return state;
}

machine_state record_session::end() {
  const auto xen = stop();
  machine_state state = read_state(*xen, roots_.vcpus());
  if (!state.vcpus.empty()) code_ = lab::kernel_code{*xen, {state.vcpus.front().kernel_mfn()}};
  session_.machine().monitor().cont();
  return state;
}

std::optional<int> record_session::run() {
  say_(fmt::format("running {}", options_.run));
  session_.run(options_.run);
  const std::optional<int> status = session_.wait_until_done(std::chrono::seconds{options_.timeout_s});
  for (const std::string& line : session_.output()) say_("  " + line);
  return status;
}

caller_finder record_session::read_callers() {
  std::vector<std::string> lines;
  try {
    lines = session_.read_kallsyms(std::chrono::seconds{options_.timeout_s});
  } catch (const lab::lab_error& e) {
    say_(fmt::format("no kernel functions will be named: {}", e.what()));
  }
  return {lab::kernel_symbols{lines}, code_};
}

}  // namespace pvmmu::tools
