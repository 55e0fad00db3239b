#include "tools/compare/comparison.h"

#include <fmt/format.h>

#include <algorithm>

#include "guest-pv/fault.h"
#include "tools/compare/model_stream.h"
#include "tools/compare/operation.h"

namespace pvmmu::compare {
namespace {

/// Whether some operation of the recording is such a one; those of trapped stores are not looked at.
bool any_operation(const call_stream& stream, auto&& is_such) {
  const auto has_one = [&](const wire::hypercall& call) { return std::ranges::any_of(operations_of(call), is_such); };
  return std::ranges::any_of(stream.calls, [&](const whole_call& c) {
    return has_one(c.piece.call()) || std::ranges::any_of(c.piece.call().multicall().call_list(), has_one);
  });
}

/// Linux pins single L1s with split page-table locks only.
bool pins_l1s(const call_stream& stream) {
  return any_operation(stream, [](const operation& o) { return o.what == operation::kind::pin && o.level == 1; });
}

/// CONFIG_MEM_SOFT_DIRTY: each write fault sets the bit.
bool sets_soft_dirty(const call_stream& stream) {
  return any_operation(stream, [](const operation& o) {
    return o.what == operation::kind::set_entry && present(o.value) && (o.value & guest::PAGE_SOFT_DIRTY) != 0;
  });
}

u32 vcpus_of(const call_stream& stream) {
  u32 vcpus = static_cast<u32>(stream.roots.size());
  for (const whole_call& c : stream.calls) vcpus = std::max(vcpus, c.piece.vcpu() + 1);
  return std::max(vcpus, 1u);
}

/// The scope of a recording with a mark; of one without, that of the scenario's ranges.
scope scope_of(const call_stream& recording, const tools::scenario_file& scenario) {
  scope marked = find_marked(recording);
  if (!marked.mms.empty()) return marked;
  scope users = find_users_of(recording, ranges_of(scenario.content()));
  if (users.mms.empty()) {
    throw tools::input_error(fmt::format(
        "no process maps {:#x}, the mark of a workload, nor an address of {}: a recording of it is expected", mark_va,
        scenario.name()));
  }
  return users;
}

/// Of the model's stream, which begins where the comparison does.
scope scope_of_model(const call_stream& model, const scope& real) {
  scope which = real.ranges.empty() ? find_marked(model) : find_users_of(model, real.ranges);
  which.marked_by.reset();
  return which;
}

void find_differences(comparison& c) {
  const auto& real = c.real.calls;
  const auto& model = c.model.calls;
  const std::size_t both = std::min(real.size(), model.size());
  std::size_t first = 0;
  while (first < both && real[first].alike(model[first])) ++first;
  if (first == both && real.size() == model.size()) return;
  c.first_difference = first;
  std::size_t last = 0;  // alike at the end
  while (last < both - first && real[real.size() - 1 - last].alike(model[model.size() - 1 - last])) ++last;
  c.differ = std::max(real.size(), model.size()) - first - last;
}

}  // namespace

std::string comparison::verdict() const {
  return fmt::format("{} calls compared, {} differ", real.calls.size(), differ);
}

comparison compare(const call_stream& recording, const tools::scenario_file& scenario,
                   const guest::kernel_profile& profile) {
  const scope real = scope_of(recording, scenario);
  const auto image = find_process_image(recording, real);
  if (!image) throw tools::input_error("the recording ends before the workload's process does");
  comparison c;
  c.nr_cpus = pins_l1s(recording) ? guest::kernel_config{}.nr_cpus : 2;
  c.profile = profile.name;
  const guest::kernel_config config{.profile = &profile,
                                    .nr_cpus = c.nr_cpus,
                                    .soft_dirty = sets_soft_dirty(recording),
                                    .vcpus = vcpus_of(recording)};
  c.real = describe(recording, real);
  if (!c.real.ended) throw tools::input_error("the recording ends before the last of the workload's processes does");
  std::vector<vcpu_id_t> schedule;
  schedule.reserve(c.real.calls.size());
  for (const described_call& call : c.real.calls) schedule.push_back(call.vcpu);
  const call_stream model = run_on_model(scenario, config, *image, std::move(schedule));
  const scope modelled = scope_of_model(model, real);
  if (real.marked_by) {
    const auto begun = image_at_start(model, modelled);
    c.begins_otherwise = begun ? first_unlike(*image, *begun) : "the model's process does not map the mark";
  }
  c.entries_validated = model.entries_validated;
  c.model = describe(model, modelled);
  find_differences(c);
  return c;
}

const guest::kernel_profile* profile_of(std::string_view kernel_release) {
  const guest::kernel_profile* found = nullptr;
  for (const guest::kernel_profile& p : guest::kernel_profiles()) {
    const bool is_its = kernel_release.starts_with(p.name) &&
                        (kernel_release.size() == p.name.size() ||
                         !std::isdigit(static_cast<unsigned char>(kernel_release[p.name.size()])));
    if (is_its) found = &p;
  }
  return found;
}

}  // namespace pvmmu::compare
