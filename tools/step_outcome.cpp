#include "tools/step_outcome.h"

#include <algorithm>
#include <array>

#include "hypervisor-model/machine/page_info.h"
#include "proto/abi/errno.h"
#include "tools/scenario_names.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

namespace {

std::string number(u64 n) { return n < 10 ? fmt::format("{}", n) : fmt::format("{:#x}", n); }

std::string result_text(long result) {
  const std::string_view name = errno_name(result);
  return name.empty() ? fmt::format("{}", result) : std::string(name);
}

std::string or_none(const std::string& text) { return text.empty() ? "none" : text; }

/// "mmu_update x2, mmuext_op": neighbours of one name as one.
std::string sequence_text(const std::vector<repeated_name>& names) {
  std::string text;
  for (const auto& n : names)
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", n.name, n.times == 1 ? "" : fmt::format(" x{}", n.times));
  return or_none(text);
}

void append(std::vector<repeated_name>& names, const repeated_name& n) {
  if (!names.empty() && names.back().name == n.name)
    names.back().times += n.times;
  else
    names.push_back(n);
}

class judge {
 public:
  judge(const scenario_file& file, const sc::step& step, const step_outcome& outcome, step_log& log)
      : file_(file), step_(step), outcome_(outcome), log_(log) {}

  void all(const frame_lookup& frames) {
    for (const auto& e : step_.expect()) {
      own_call(e);
      own_access(e, frames.names);
      if (e.call_size() != 0) call_sequence(e);
      entries_and_flushes(e);
      for (const auto& f : e.frame()) frame(f, frames);
    }
    errors();
    failed_calls();
    messages("xen_message", "line printed by Xen", lines_of_xen(),
             [](const sc::expect& e) { return &e.xen_message(); });
    messages("linux_message", "line logged by Linux", lines_of_linux(),
             [](const sc::expect& e) { return &e.linux_message(); });
    stop();
    faults();
  }

  void contents() {
    for (const auto& e : step_.expect())
      if (e.has_value() && (step_.has_read() || step_.has_kernel_read())) value(e, e.value());
  }

 private:
  void found(const google::protobuf::Message& m, std::string_view field, std::string what, std::string expected,
             std::string got, int index = 0) {
    log_.findings.push_back(
        {file_.locate(m, field, index).text(), std::move(what), std::move(expected), std::move(got)});
  }

  void compare(const google::protobuf::Message& m, std::string_view field, const std::string& expected,
               const std::string& got) {
    if (expected != got) found(m, field, std::string(field), expected, got);
  }

  template <class Visit>
  void each_act(Visit visit) const {
    for (const auto& entry : log_.entries)
      if (const act* a = std::get_if<act>(&entry)) visit(*a);
  }

  /// The hypercall or access that the scenario itself made.
  const act* own_act() const {
    const act* own = nullptr;
    if (step_.has_hypercall() || step_.has_access()) each_act([&](const act& a) { own = &a; });
    return own;
  }

  void own_call(const sc::expect& e) {
    const act* a = own_act();
    if (a == nullptr || !a->is_call() || a->crashed) return;
    if (e.has_result()) compare(e, "result", result_text(e.result()), result_text(a->result));
    if (e.has_done() || e.done_not_written()) {
      const hypercall& call = a->call->call();
      const auto* update = std::get_if<mmu_update_call>(&call);
      const done_arg& done = update ? update->pdone : std::get<mmuext_op_call>(call).pdone;
      const std::string got = done.written ? number(done.value) : "not written";
      compare(e, e.has_done() ? "done" : "done_not_written", e.has_done() ? number(e.done()) : "not written", got);
    }
    if (e.entry_result_size() == 0) return;
    std::vector<std::string> expected, got;
    for (const auto r : e.entry_result()) expected.push_back(result_text(r));
    for (const auto& entry : std::get<multicall_call>(a->call->call()).call_list)
      got.push_back(result_text(entry.result));
    compare(e, "entry_result", fmt::format("{}", fmt::join(expected, ", ")), fmt::format("{}", fmt::join(got, ", ")));
  }

  void own_access(const sc::expect& e, const name_resolver& names) {
    if (e.has_value()) value(e, e.value());
    if (e.has_value_word()) value(e, resolve(e.value_word(), names));
    const act* a = own_act();
    if (!e.has_guest_fault() || a == nullptr) return;
    const auto& f = e.guest_fault();
    if (!a->outcome.fault) return found(e, "guest_fault", "guest_fault", "a fault", "none");
    if (f.has_va()) compare(f, "va", number(f.va()), number(a->outcome.cr2));
    if (f.has_at()) compare(f, "at", number(names.address(f.at())), number(a->outcome.cr2));
    const auto vector = static_cast<u32>(a->outcome.vector);
    compare(f, "vector", number(f.has_vector() ? f.vector() : 14), number(vector));
    if (f.has_error_code()) compare(f, "error_code", number(f.error_code()), number(a->outcome.error_code));
  }

  void value(const sc::expect& e, u64 expected) {
    compare(e, "value", fmt::format("{:#x}", expected),
            outcome_.value ? fmt::format("{:#x}", *outcome_.value) : "nothing was read");
  }

  void call_sequence(const sc::expect& e) {
    std::vector<repeated_name> expected, got;
    for (const auto& name : e.call()) append(expected, *parse_repeated_name(name));
    each_act([&](const act& a) {
      if (!act_name(a).empty()) append(got, {std::string(act_name(a)), 1});
    });
    compare(e, "call", sequence_text(expected), sequence_text(got));
  }

  u64 sum_of_values(event_kind kind) const {
    u64 sum = 0;
    each_act([&](const act& a) {
      for (const auto& e : a.events) sum += e.kind == kind ? e.value : 0;
    });
    return sum;
  }

  u64 flushes(bool by_guest) const {
    u64 count = 0;
    each_act([&](const act& a) {
      for (const auto& e : a.events)
        count += e.kind == event_kind::flush && (e.old == static_cast<u64>(flush_reason::guest)) == by_guest;
    });
    return count;
  }

  void entries_and_flushes(const sc::expect& e) {
    const auto same = [&](bool given, std::string_view field, u64 expected, u64 got) {
      if (given) compare(e, field, fmt::format("{}", expected), fmt::format("{}", got));
    };
    same(e.has_entries_validated(), "entries_validated", e.entries_validated(), sum_of_values(event_kind::validated));
    same(e.has_entries_devalidated(), "entries_devalidated", e.entries_devalidated(),
         sum_of_values(event_kind::devalidated));
    same(e.has_guest_flushes(), "guest_flushes", e.guest_flushes(), flushes(true));
    same(e.has_xen_flushes(), "xen_flushes", e.xen_flushes(), flushes(false));
  }

  // ---- what nobody may do unexpectedly

  /// The result of the scenario's own hypercall or system call.
  void errors() {
    std::string got = outcome_.error;
    const act* a = own_act();
    if (a != nullptr && a->is_call() && !a->crashed && a->result < 0) got = result_text(a->result);
    const sc::expect* by_name = nullptr;
    for (const auto& e : step_.expect()) {
      if (e.has_result()) return;  // compared already
      if (!e.error().empty()) by_name = &e;
    }
    const std::string expected = by_name ? by_name->error() : "";
    if (expected == got) return;
    const std::string text = outcome_.error_text.empty() ? "" : fmt::format(" ({})", outcome_.error_text);
    const google::protobuf::Message& m = by_name ? static_cast<const google::protobuf::Message&>(*by_name) : step_;
    found(m, by_name ? "error" : "", "error", or_none(expected), or_none(got) + text);
  }

  /// Calls of a kernel, and entries of multicalls whose results nobody compared.
  void failed_calls() {
    std::vector<std::pair<std::string, std::string>> got;  // {call, error}
    const bool results_compared =
        std::ranges::any_of(step_.expect(), [](const auto& e) { return e.entry_result_size(); });
    each_act([&](const act& a) {
      const bool own = a.caller.empty();
      if (!failed(a) || (own && results_compared)) return;
      if (a.result < 0 && !own) got.emplace_back(act_name(a), result_text(a.result));
      if (const auto* m = std::get_if<multicall_call>(&a.call->call()))
        for (const auto& entry : m->call_list)
          if (entry.result < 0) got.emplace_back(hypercall_name(entry.call), result_text(entry.result));
    });
    for (const auto& e : step_.expect())
      for (const auto& f : e.failed()) {
        const auto at = std::ranges::find(got, std::pair<std::string, std::string>(f.call(), f.error()));
        if (at == got.end())
          found(f, "", "failed call", fmt::format("{} {}", f.call(), f.error()), "no such");
        else
          got.erase(at);
      }
    for (const auto& [call, error] : got) found(step_, "", "failed call", "none", fmt::format("{} {}", call, error));
  }

  std::vector<std::string> lines_of_xen() const {
    std::vector<std::string> lines;
    each_act([&](const act& a) {
      for (const auto& e : a.events)
        if (e.kind == event_kind::message) lines.push_back(e.text);
    });
    return lines;
  }

  std::vector<std::string> lines_of_linux() const {
    std::vector<std::string> lines;
    for (const auto& entry : log_.entries)
      if (const auto* l = std::get_if<linux_line>(&entry)) lines.push_back(l->text);
    return lines;
  }

  template <class Texts>
  void messages(std::string_view field, const std::string& what, const std::vector<std::string>& lines, Texts texts) {
    std::vector<bool> expected(lines.size());
    for (const auto& e : step_.expect()) {
      const auto& wanted = *texts(e);
      for (int i = 0; i < wanted.size(); ++i) {
        bool seen = false;
        for (std::size_t k = 0; k < lines.size(); ++k) {
          if (lines[k].find(wanted[i]) == std::string::npos) continue;
          expected[k] = true;
          seen = true;
        }
        if (!seen) found(e, field, what, fmt::format("\"{}\"", wanted[i]), "no such line", i);
      }
    }
    for (std::size_t k = 0; k < lines.size(); ++k)
      if (!expected[k]) found(step_, "", what, "none", fmt::format("\"{}\"", lines[k]));
  }

  void stop() {
    static constexpr std::array names{"DOMAIN_CRASHED", "OOPS", "BUG", "OUT_OF_MEMORY"};
    const sc::expect* wanted = nullptr;
    for (const auto& e : step_.expect())
      if (e.has_stopped()) wanted = &e;
    const std::string expected = wanted ? names.at(static_cast<std::size_t>(wanted->stopped())) : "";
    const std::string got = outcome_.stopped ? names.at(static_cast<std::size_t>(*outcome_.stopped)) : "";
    if (expected == got) return;
    const std::string text = outcome_.stopped_text.empty() ? "" : fmt::format(" ({})", outcome_.stopped_text);
    if (wanted)
      found(*wanted, "stopped", "stopped", expected, or_none(got) + text);
    else
      found(step_, "", "stopped", "none", got + text);
  }

  void faults() {
    const act* a = own_act();
    if (a == nullptr || a->is_call() || !a->outcome.fault) return;
    if (std::ranges::any_of(step_.expect(), [](const auto& e) { return e.has_guest_fault(); })) return;
    found(step_, "access", "guest_fault", "none",
          fmt::format("{} at {:#x}, error code {:#x}", exception_name(a->outcome.vector), a->outcome.cr2,
                      a->outcome.error_code));
  }

  // ---- frames

  void frame(const sc::frame_state& f, const frame_lookup& frames) {
    static constexpr std::array types{"NONE", "L1", "L2", "L3", "L4", "SEG_DESC", "SHARED", "WRITABLE"};
    const mfn_t mfn = frames.names.frame(f.frame());
    const frame_state got = frames.query(mfn);
    const auto flag = [](bool b) { return std::string(b ? "true" : "false"); };
    if (f.has_type()) compare(f, "type", types.at(static_cast<std::size_t>(f.type())), types.at(got.type_info >> 61));
    if (f.has_type_count())
      compare(f, "type_count", number(f.type_count()), number(got.type_info & xen::PGT_count_mask));
    if (f.has_count()) compare(f, "count", number(f.count()), number(got.count_info & xen::PGC_count_mask));
    if (f.has_pinned()) compare(f, "pinned", flag(f.pinned()), flag((got.type_info & xen::PGT_pinned) != 0));
    if (f.has_validated())
      compare(f, "validated", flag(f.validated()), flag((got.type_info & xen::PGT_validated) != 0));
    if (f.has_non_coherent())
      compare(f, "non_coherent", flag(f.non_coherent()), flag((got.type_info & xen::PGT_non_coherent) != 0));
    if (f.has_allocated())
      compare(f, "allocated", flag(f.allocated()), flag((got.count_info & xen::PGC_allocated) != 0));
    if (f.contents_size() != 0) contents(f, frames.read(mfn), frames.names);
    if (f.has_lowest_type_count())
      compare(f, "lowest_type_count", number(f.lowest_type_count()), number(lowest_type_count(mfn, got)));
  }

  void contents(const sc::frame_state& f, const table_contents& got, const name_resolver& names) {
    for (const auto& c : f.contents()) {
      const u64 expected = c.has_pte() ? resolve(c.pte(), names) : c.has_word() ? resolve(c.word(), names) : c.value();
      for (u32 slot = c.slot(); slot < c.slot() + (c.has_count() ? c.count() : 1); ++slot)
        if (got[slot] != expected)
          found(c, "", fmt::format("slot {}", slot), fmt::format("{:#x}", expected), fmt::format("{:#x}", got[slot]));
    }
  }

  u64 lowest_type_count(mfn_t mfn, const frame_state& after) const {
    u64 lowest = after.type_info & xen::PGT_count_mask;
    each_act([&](const act& a) {
      for (const auto& e : a.events)
        if (e.kind == event_kind::type_info && e.mfn == mfn)
          lowest = std::min({lowest, e.old & xen::PGT_count_mask, e.value & xen::PGT_count_mask});
    });
    return lowest;
  }

  const scenario_file& file_;
  const sc::step& step_;
  const step_outcome& outcome_;
  step_log& log_;
};

}  // namespace

void judge_step(const scenario_file& file, const sc::step& step, const step_outcome& outcome,
                const frame_lookup& frames, step_log& log) {
  judge(file, step, outcome, log).all(frames);
}

void judge_contents(const scenario_file& file, const sc::step& step, const step_outcome& outcome, step_log& log) {
  judge(file, step, outcome, log).contents();
}

}  // namespace pvmmu::tools
