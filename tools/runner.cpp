#include "tools/runner.h"

#include <google/protobuf/descriptor.h>

#include "proto/abi/errno.h"
#include "tools/interludes.h"
#include "tools/kernel_memory_steps.h"
#include "tools/kernel_steps.h"
#include "tools/lab/program.h"
#include "tools/raw_call.h"
#include "tools/report/step_text.h"
#include "tools/scenario_names.h"
#include "tools/step_outcome.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

namespace {

/// Every field of every `expect`; of a message in one, its fields.
u64 count_expectations(const sc::step& step) {
  u64 n = 0;
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  for (const auto& e : step.expect()) {
    e.GetReflection()->ListFields(e, &fields);
    n += fields.size() - (e.frame_size() != 0);
    for (const auto& f : e.frame()) {
      f.GetReflection()->ListFields(f, &fields);
      n += fields.size() - 1;  // the frame itself is none
    }
  }
  return n;
}

class runner {
 public:
  runner(const scenario_file& file, connection& server, const kernel_override& override, bool contents_only)
      : file_(file), client_(server.open()), contents_only_(contents_only) {
    const sc::scenario& all = file.content();
    machine_config machine;
    if (all.machine().has_frames()) machine.frames = all.machine().frames();
    machine.debug_build = all.machine().debug_build();
    machine.tlb = all.machine().tlb();
    journal_.title = all.title();
    journal_.file = file.name();
    try {
      journal_.machine = client_.hello({.machine = machine,
                                        .machine_name = {},
                                        .events = true,
                                        .guest = fmt::format("{}: {}", file.name(), all.title())});
    } catch (const guest::request_refused& e) {
      file.fail(all, "machine", e.what());
    }
    client_.listen(&writer_);
    for (const auto& d : all.domain()) build(d, override);
    take_bare_frames();
  }

  journal run(progress* bar) {
    for (const auto& step : file_.content().step()) {
      run_step(step);
      if (bar) bar->step();
    }
    client_.send_notes();
    client_.listen(nullptr);
    return std::move(journal_);
  }

 private:
  void build(const sc::domain& spec, const kernel_override& override) {
    try {
      domains_.push_back(std::make_unique<running_domain>(client_, writer_, spec, override));
    } catch (const guest::request_refused& e) {
      file_.fail(spec, {}, e.what());
    } catch (const guest::guest_stopped& e) {
      file_.fail(spec, {}, fmt::format("the kernel cannot start: {}", e.what()));
    }
    journal_.domains.push_back(domains_.back()->description());
  }

  /// Where no kernel runs, frames begin with what they hold before the first step: they may lead to each other.
  void take_bare_frames() {
    const auto each = [&](auto&& visit) {
      for (const auto& step : file_.content().step())
        if (bare_domain* bare = domains_.at(step.domain())->bare(); bare && step.has_alloc_frame())
          visit(step, step.alloc_frame(), *bare);
    };
    each([&](const sc::step& step, const sc::alloc_frame& a, bare_domain& bare) {
      if (a.begins() == a.ADOPTED) return;
      const auto mfn = a.begins() == a.UNTOUCHED ? bare.take_untouched() : bare.take_mapped();
      if (!mfn) file_.fail(a, {}, "the domain has no frame left for this one");
      name_frame(step, *mfn);
    });
    each([&](const sc::step& step, const sc::alloc_frame& a, bare_domain& bare) {
      for (const auto& c : a.contents()) fill(step, c, bare);
      if (a.begins() == a.UNMAPPED) bare.unmap(frames_.at(a.name()));
    });
  }

  void fill(const sc::step& step, const sc::contents& c, bare_domain& bare) {
    const name_resolver names = resolver(step, *domains_.at(step.domain()));
    u64 value = c.value();
    try {
      if (c.has_pte()) value = resolve(c.pte(), names);
      if (c.has_word()) value = resolve(c.word(), names);
    } catch (const unresolved& u) {
      file_.fail(c, {}, fmt::format("expected {}, got {}", u.what.expected, u.what.got));
    }
    for (u32 slot = c.slot(); slot < c.slot() + (c.has_count() ? c.count() : 1); ++slot)
      bare.write(frames_.at(step.alloc_frame().name()), slot, value);
  }

  void run_step(const sc::step& step) {
    step_log& log = journal_.steps.emplace_back();
    log.note = step.note();
    log.action = action_text(step);
    log.where = file_.locate(step).text();
    log.measured = step.measure();
    log.expectations = count_expectations(step);
    running_domain& d = *domains_.at(step.domain());
    client_.note({.kind = note_kind::scenario_step,
                  .domid = d.domid(),
                  .vcpu = step.vcpu(),
                  .text = fmt::format("step {}  {}", journal_.steps.size(), log.action)});
    writer_.start_step(&log);
    client_.preempt_calls_at({step.preempted_checks().begin(), step.preempted_checks().end()});
    step_outcome outcome;
    try {
      if (d.stopped)
        throw unresolved{{log.where, "domain", "one that runs", fmt::format("domain {} has stopped", step.domain())}};
      perform(step, d, outcome);
      d.poll_log();
      judge(step, d, outcome, log);
    } catch (const unresolved& u) {
      d.poll_log();
      log.findings.push_back(u.what);
    }
    if (outcome.stopped) d.stopped = outcome.stopped;
    writer_.start_step(nullptr);
  }

  void judge(const sc::step& step, running_domain& d, const step_outcome& outcome, step_log& log) {
    if (contents_only_) return judge_contents(file_, step, outcome, log);
    const frame_lookup frames{.names = resolver(step, d),
                              .query = [&](mfn_t mfn) { return query(mfn); },
                              .read = [&](mfn_t mfn) { return client_.read_table(mfn); }};
    judge_step(file_, step, outcome, frames, log);
  }

  frame_state query(mfn_t mfn) {
    try {
      return client_.query_frame(mfn);
    } catch (const guest::request_refused&) {
      return {};  // no frame of the machine: nothing is known of it
    }
  }

  void perform(const sc::step& step, running_domain& d, step_outcome& outcome) {
    try {
      if (step.has_hypercall())
        hypercall_step(step, d, outcome);
      else if (step.has_access())
        access_step(step, d, outcome);
      else if (step.has_alloc_frame())
        alloc_frame_step(step, d);
      else
        kernel_step(step, d, outcome);
    } catch (const guest::guest_stopped& e) {
      outcome.stopped = e.why;
      outcome.stopped_text = e.what();
    }
  }

  void kernel_step(const sc::step& step, running_domain& d, step_outcome& outcome) {
    const auto say = [&](const std::string& text) {
      writer_.note_interlude(text);
      client_.note({.kind = note_kind::interlude, .domid = d.domid(), .vcpu = step.vcpu(), .text = text});
    };
    interludes between(step, *d.kernel(), d.spaces(), say, [&](const sc::step& inner) { return inner_step(inner, d); });
    operation(step, d, outcome);
    if (const sc::during* left = between.left_out())
      throw missing(*left, "a moment of the step", "none: it was over before");
  }

  void operation(const sc::step& step, running_domain& d, step_outcome& outcome) {
    if (is_kernel_memory_step(step))
      perform_kernel_memory_step(file_, step, *d.kernel(), resolver(step, d), outcome);
    else
      perform_kernel_step(step, *d.kernel(), d.spaces(), outcome);
  }

  /// A step within another, which has no expectations of its own. False: it has to wait for a lock.
  bool inner_step(const sc::step& step, running_domain& d) {
    step_outcome outcome;
    if (step.has_access())
      access_step(step, d, outcome);
    else
      operation(step, d, outcome);
    if (outcome.error == interludes::waits) return false;
    if (!outcome.error.empty())
      journal_.steps.back().findings.push_back(
          {file_.locate(step).text(), "error", "none", fmt::format("{} ({})", outcome.error, outcome.error_text)});
    return true;
  }

  // ---- raw steps

  void hypercall_step(const sc::step& step, running_domain& d, step_outcome& outcome) {
    refuse_conform_only(step.hypercall());
    const name_resolver names = resolver(step, d);
    raw_call call(step.hypercall(), names);
    if (!d.xen().call(step.vcpu(), call.call(), {})) crashed(outcome);
  }

  void refuse_conform_only(const sc::hypercall& h) const {
    if (h.has_raw())
      throw missing(h.raw(), "a call that the model knows by name", "a raw one: `pvmmu conform` runs it");
    if (h.has_memory_op())
      throw missing(h.memory_op(), "a call that scenarios run on the model", "memory_op: `pvmmu conform` runs it");
    if (h.has_map_grant_ref() || h.has_unmap_grant_ref())
      throw missing(h, "a call that a run can make", "one with grants: `pvmmu conform` runs it");
    if (h.has_vcpu_op()) throw missing(h, "a call that a run can make", "vcpu_op: `pvmmu conform` runs it");
    for (const auto& call : h.multicall().call()) refuse_conform_only(call);
  }

  void access_step(const sc::step& step, running_domain& d, step_outcome& outcome) {
    const auto result = d.xen().access(step.vcpu(), raw_access(step.access(), resolver(step, d)), {});
    if (!result) return crashed(outcome);
    if (!result->fault && step.access().kind() != sc::access::WRITE) outcome.value = result->value;
  }

  void alloc_frame_step(const sc::step& step, running_domain& d) {
    if (d.bare()) return;  // taken at the start
    const auto mfn = d.alloc_frame();
    if (!mfn) throw missing(step.alloc_frame(), "a free frame", "the kernel has none left");
    name_frame(step, *mfn);
  }

  void name_frame(const sc::step& step, mfn_t mfn) {
    const std::string& name = step.alloc_frame().name();
    frames_[name] = mfn;
    journal_.frame_names[mfn.n] = name;
    client_.note(
        {.kind = note_kind::frame_name, .domid = domains_.at(step.domain())->domid(), .text = name, .mfn = mfn});
  }

  static void crashed(step_outcome& outcome) {
    outcome.stopped = guest::guest_stopped::reason::domain_crashed;
    outcome.stopped_text = "Xen crashed the domain";
  }

  // ---- from names to numbers

  name_resolver resolver(const sc::step& step, running_domain& d) {
    return {.frame = [&](const sc::frame& f) { return frame(f, step, d); },
            .address = [&](const sc::address& a) { return address(a, step, d); },
            .table = [&](const sc::table_of& t) { return table(t, step, d); },
            .word = [&](const sc::word& w) { return word(w); }};
  }

  mfn_t frame(const sc::frame& f, const sc::step& step, running_domain& d) {
    switch (f.which_case()) {
      case sc::frame::kName: return frame_named(f);
      case sc::frame::kMfn: return {f.mfn()};
      case sc::frame::kTable: return table(f.table(), step, d);
      case sc::frame::kPfn:
        if (const auto mfn = d.pfn_to_mfn({f.pfn()})) return *mfn;
        throw missing(f, fmt::format("a frame behind pfn {:#x}", f.pfn()), "none");
      default:
        if (const auto mfn = d.frame_at(step.vcpu(), f.mapped_at())) return *mfn;
        throw missing(f, fmt::format("a frame mapped at {:#x}", f.mapped_at()), "none");
    }
  }

  mfn_t frame_named(const sc::frame& f) {
    if (const auto known = frames_.find(f.name()); known != frames_.end()) return known->second;
    const auto given = given_frame(f.name());
    if (!given || *given > probe::name_probe_l4)
      throw missing(f, "a frame that a run on the model alone has", fmt::format("\"{}\"", f.name()));
    const journal_writer::pause unseen(writer_);
    return bare(f).window_table(*given - probe::name_window_l1 + 1);  // in this order: L1, L2, L3, and the L4
  }

  /// What only the calls of a conformance program need.
  u64 word(const sc::word& w) {
    if (w.has_probe_l4_entry()) return bare(w).l4_entry(w.probe_l4_entry());
    throw missing(w, "a word that a run on the model alone can have", "one of a raw call");
  }

  mfn_t table(const sc::table_of& t, const sc::step& step, running_domain& d) {
    if (const auto mfn = d.table_of(step.vcpu(), t.level(), t.va(), t.mm())) return *mfn;
    throw missing(t, fmt::format("an L{} table on the way to {:#x}", t.level(), t.va()), "none");
  }

  u64 address(const sc::address& a, const sc::step& step, running_domain& d) {
    if (a.has_va()) return a.va() + a.offset();
    if (a.has_word()) return resolve(a.word(), resolver(step, d)) + a.offset();
    if (!a.has_frame()) return window(a) + a.offset();
    if (const auto va = d.kernel_va(frame(a.frame(), step, d))) return *va + a.offset();
    throw missing(a, "a frame that the domain's kernel has mapped", "one that it has not");
  }

  /// What is unreadable lies behind the window.
  u64 window(const sc::address& a) {
    const journal_writer::pause unseen(writer_);
    return bare(a).window_va() + (u64{a.has_window() ? a.window() : entries_per_table} << PAGE_SHIFT);
  }

  /// The domain whose window is meant: the first, in which no kernel runs.
  bare_domain& bare(const google::protobuf::Message& m) {
    if (bare_domain* first = domains_.front()->bare()) return *first;
    throw missing(m, "a first domain without a kernel", "one with a kernel");
  }

  unresolved missing(const google::protobuf::Message& m, std::string expected, std::string got) const {
    return {{file_.locate(m).text(), m.GetDescriptor()->name(), std::move(expected), std::move(got)}};
  }

  const scenario_file& file_;
  guest::channel_client client_;
  journal_writer writer_;
  bool contents_only_;
  journal journal_;
  std::vector<std::unique_ptr<running_domain>> domains_;
  std::map<std::string, mfn_t> frames_;
};

}  // namespace

journal run_scenario(const scenario_file& file, connection& server, const kernel_override& kernel, progress* bar) {
  return runner(file, server, kernel, false).run(bar);
}

journal run_scenario_under(const scenario_file& file, connection& server, const kernel_override& kernel) {
  return runner(file, server, kernel, true).run(nullptr);
}

}  // namespace pvmmu::tools
