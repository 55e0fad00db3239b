// What a scenario must obey beyond its grammar: the machine, the domains, and what a kernel is told to do.

#include <google/protobuf/descriptor.h>

#include <vector>

#include "guest-pv/profile_items.h"
#include "proto/abi/frame.h"
#include "tools/kernel_memory_steps.h"
#include "tools/scenario_checker.h"
#include "tools/scenario_names.h"

namespace pvmmu::tools {

namespace pb = google::protobuf;
namespace sc = pvmmu::scenario;

namespace {

std::string action_name(const sc::step& s) { return s.GetDescriptor()->FindFieldByNumber(s.action_case())->name(); }

std::string known_values(const pb::EnumDescriptor& type) {
  std::string names;
  for (int i = 0; i < type.value_count(); ++i) names += (i == 0 ? "" : ", ") + type.value(i)->name();
  return names;
}

}  // namespace

void check_scenario(const scenario_file& file) { scenario_checker(file).check(); }

void scenario_checker::check() {
  const sc::scenario& all = file_.content();
  check_enums(all);
  check_machine();
  if (all.domain().empty()) file_.fail(all, "domain", "a scenario needs a domain: expected domain { kind: DOM0 }");
  for (const auto& d : all.domain()) check_domain(d);
  if (all.step().empty()) file_.fail(all, "step", "a scenario needs a step: expected step { … }");
  for (const auto& s : all.step())
    if (s.has_alloc_frame()) all_frames_.insert(s.alloc_frame().name());
  for (const auto& s : all.step()) check_step(s);
}

void scenario_checker::in_range(const message& m, std::string_view field, u64 value, u64 least, u64 most) const {
  if (value < least || value > most)
    file_.fail(m, field, fmt::format("{} is {}: expected {} to {}", field, value, least, most));
}

void scenario_checker::need(bool there, const message& m, std::string_view what) const {
  if (!there) file_.fail(m, {}, fmt::format("{} needs {}", m.GetDescriptor()->name(), what));
}

/// proto3 lets any number stand for an enum; only an mmuext command may be one that Xen does not know.
void scenario_checker::check_enums(const message& m) const {
  const pb::Reflection& r = *m.GetReflection();
  std::vector<const pb::FieldDescriptor*> fields;
  r.ListFields(m, &fields);
  for (const auto* f : fields) {
    const int count = f->is_repeated() ? r.FieldSize(m, f) : 1;
    for (int i = 0; i < count; ++i) {
      if (f->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE)
        check_enums(f->is_repeated() ? r.GetRepeatedMessage(m, f, i) : r.GetMessage(m, f));
      if (f->cpp_type() != pb::FieldDescriptor::CPPTYPE_ENUM || f->name() == "cmd") continue;
      const int number = f->is_repeated() ? r.GetRepeatedEnumValue(m, f, i) : r.GetEnumValue(m, f);
      if (f->enum_type()->FindValueByNumber(number) == nullptr)
        file_.fail(m, f->name(),
                   fmt::format("{} is {}: expected one of {}", f->name(), number, known_values(*f->enum_type())), i);
    }
  }
}

void scenario_checker::check_machine() {
  const sc::machine& m = file_.content().machine();
  if (!m.has_frames()) return;
  in_range(m, "frames", m.frames(), 1024, u64{1} << 28);
  machine_frames_ = m.frames();
}

void scenario_checker::check_domain(const sc::domain& d) const {
  if (d.has_pages()) in_range(d, "pages", d.pages(), 1, machine_frames_);
  if (d.has_vcpus()) in_range(d, "vcpus", d.vcpus(), 1, max_vcpus_per_domain);
  if (!d.has_kernel()) return;
  const sc::kernel& k = d.kernel();
  if (guest::find_kernel_profile(k.profile()) == nullptr)
    file_.fail(k, "profile", fmt::format("profile is \"{}\": expected one of {}", k.profile(), all_profile_names()));
  guest::kernel_profile scratch;
  for (int i = 0; i < k.item_size(); ++i)
    if (const auto done = guest::set_item(scratch, k.item(i)); !done) file_.fail(k, "item", done.error(), i);
  if (k.has_nr_cpus()) in_range(k, "nr_cpus", k.nr_cpus(), 1, 8192);
}

void scenario_checker::check_step(const sc::step& s) {
  in_range(s, "domain", s.domain(), 0, static_cast<u64>(file_.content().domain_size()) - 1);
  domain_ = &file_.content().domain(static_cast<int>(s.domain()));
  domid_ = s.domain();
  in_range(s, "vcpu", s.vcpu(), 0, (domain_->has_vcpus() ? domain_->vcpus() : 1) - 1);
  const bool goes_on = &s != &file_.content().step(0) && vcpu_ != s.vcpu();
  if (s.meanwhile() && !goes_on) file_.fail(s, "meanwhile", "expected behind a step of another vCPU");
  vcpu_ = s.vcpu();
  check_preempted_checks(s);
  need(s.action_case() != sc::step::ACTION_NOT_SET, s, "something to do: expected exec, mmap, touch, hypercall, …");
  for (const auto& d : s.during()) check_during(s, d);
  switch (s.action_case()) {
    case sc::step::kAllocFrame: check_alloc_frame(s.alloc_frame()); break;
    case sc::step::kHypercall: check_hypercall(s.hypercall()); break;
    case sc::step::kAccess: check_access(s.access()); break;
    default: check_kernel_step(s);
  }
  for (const auto& e : s.expect()) check_expect(s, e);
}

void scenario_checker::check_preempted_checks(const sc::step& s) const {
  u32 before = 0;
  for (const u32 check : s.preempted_checks()) {
    if (check <= before) file_.fail(s, "preempted_checks", "expected numbers from 1 on, ascending");
    before = check;
  }
}

/// A moment within `s`, and what is done at it. What the other process of a preemption had loaded is none of the
/// step's.
void scenario_checker::check_during(const sc::step& s, const sc::during& d) {
  const bool kernel_step = !s.has_hypercall() && !s.has_access() && !s.has_alloc_frame();
  if (!kernel_step) file_.fail(s, "during", "expected within a kernel's own operation: fork, mremap, mprotect, …");
  need(d.moment_case() != sc::during::MOMENT_NOT_SET, d, "a moment: expected after_queued, after_calls or at");
  if (d.has_after_queued()) in_range(d, "after_queued", d.after_queued(), 1, ~u32{0});
  if (d.has_after_calls()) in_range(d, "after_calls", d.after_calls(), 1, ~u32{0});
  if (d.step().empty()) file_.fail(d, "step", "nothing is to be done: expected step { … }");
  const auto loaded = loaded_;
  for (const auto& inner : d.step()) {
    if (inner.domain() != s.domain() || inner.vcpu() != d.step(0).vcpu())
      file_.fail(inner, {}, "all steps of a during are of one vCPU of the step's domain");
    if (inner.expect_size() != 0 || inner.during_size() != 0 || inner.meanwhile() || inner.measure() ||
        inner.preempted_checks_size() != 0)
      file_.fail(
          inner, {},
          "a step of a during has no expect, during, meanwhile, measure or preempted_checks: the step around it has");
    check_step(inner);
    if (inner.has_suspend() || inner.has_resume() || inner.has_hypercall() || inner.has_alloc_frame())
      file_.fail(inner, {}, "expected one of a kernel's own operations on an address space, or an access");
    if (inner.vcpu() == s.vcpu() && (inner.has_exec() || inner.has_exit_mmap()))
      file_.fail(inner, {}, "the step goes on with its address space: expected no exec or exit_mmap on its own vCPU");
  }
  if (d.step(0).vcpu() == s.vcpu()) loaded_ = loaded;
  vcpu_ = s.vcpu();
}

void scenario_checker::check_kernel_step(const sc::step& s) {
  const std::string name = action_name(s);
  if (!domain_->has_kernel())
    file_.fail(s, name,
               fmt::format("{} needs a kernel in domain {}: expected domain {{ kernel {{ … }} }}", name, domid_));
  if (suspended_.contains(domid_) != s.has_resume())
    file_.fail(s, name, fmt::format("domain {} is {}suspended here", domid_, s.has_resume() ? "not " : ""));
  if (s.has_suspend()) suspended_.insert(domid_);
  if (s.has_resume()) suspended_.erase(domid_);
  check_mm_step(s);
}

void scenario_checker::check_mm_step(const sc::step& s) {
  std::string& loaded = loaded_[{domid_, vcpu_}];
  switch (s.action_case()) {
    case sc::step::kExec:
      check_exec(s.exec());
      loaded = s.exec().mm();
      break;
    case sc::step::kMmAlloc: check_new_mm(s.mm_alloc(), "mm", s.mm_alloc().mm()); break;
    case sc::step::kActivateMm:
      check_mm(s.activate_mm(), s.activate_mm().mm(), false);
      loaded = s.activate_mm().mm();
      break;
    case sc::step::kSwitchMm:
      if (!s.switch_mm().mm().empty()) check_mm(s.switch_mm(), s.switch_mm().mm(), false);
      loaded = s.switch_mm().mm();
      break;
    case sc::step::kExitMmap: check_exit_mmap(s.exit_mmap()); break;
    case sc::step::kFork:
      check_mm(s.fork(), s.fork().mm(), true);
      check_new_mm(s.fork(), "child", s.fork().child());
      break;
    default: is_kernel_memory_step(s) ? check_kernel_memory_step(s) : check_memory_step(s);
  }
}

void scenario_checker::check_new_mm(const message& m, std::string_view field, const std::string& mm) {
  need(!mm.empty(), m, fmt::format("a name for the new address space: expected {}: \"a\"", field));
  if (!mms_.emplace(domid_, mm).second)
    file_.fail(m, field, fmt::format("mm \"{}\" exists already: expected a new name", mm));
}

void scenario_checker::check_exit_mmap(const sc::exit_mmap& e) {
  check_mm(e, e.mm(), false);
  end_mm(e.mm());
}

void scenario_checker::end_mm(const std::string& name) {
  mms_.erase({domid_, name});
  for (auto& [where, mm] : loaded_)
    if (where.first == domid_ && mm == name) mm.clear();
}

void scenario_checker::check_mm(const message& m, const std::string& mm, bool or_loaded) const {
  if (mm.empty()) {
    need(or_loaded, m, "a name: expected mm: \"a\"");
    const auto loaded = loaded_.find({domid_, vcpu_});
    if (loaded == loaded_.end() || loaded->second.empty())
      file_.fail(m, {}, fmt::format("vcpu {} has no mm loaded here: expected mm: \"…\"", vcpu_));
  } else if (!mms_.contains({domid_, mm})) {
    file_.fail(m, "mm",
               fmt::format("there is no mm \"{}\" in domain {} here: expected the name of one that exec or "
                           "mm_alloc made",
                           mm, domid_));
  }
}

}  // namespace pvmmu::tools
