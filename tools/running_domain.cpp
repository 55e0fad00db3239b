#include "tools/running_domain.h"

#include <cassert>

#include "guest-pv/profile_items.h"

namespace pvmmu::tools {

namespace {

domain_config config_of(const scenario::domain& spec) {
  domain_config config;
  config.kind = spec.kind() == scenario::domain::DOMU ? domain_kind::domU : domain_kind::dom0;
  if (spec.has_pages()) config.pages = spec.pages();
  if (spec.has_vcpus()) config.vcpus = spec.vcpus();
  return config;
}

guest::kernel_profile profile_of(const scenario::kernel& spec, const kernel_override& override) {
  guest::kernel_profile profile = override.profile ? *override.profile : *guest::find_kernel_profile(spec.profile());
  const auto set = [&](const std::string& item) {
    const auto done = guest::set_item(profile, item);
    assert(done);
  };
  if (!override.profile)
    for (const std::string& item : spec.item()) set(item);
  for (const std::string& item : override.items) set(item);
  return profile;
}

guest::kernel_config config_of(const scenario::kernel& spec, const guest::kernel_profile& profile, u32 vcpus,
                               const kernel_override& override) {
  guest::kernel_config config;
  config.profile = &profile;
  if (spec.has_nr_cpus()) config.nr_cpus = spec.nr_cpus();
  if (override.nr_cpus != 0) config.nr_cpus = override.nr_cpus;
  if (spec.has_page_table_isolation()) config.page_table_isolation = spec.page_table_isolation();
  config.vcpus = vcpus;
  return config;
}

}  // namespace

running_domain::running_domain(guest::channel_client& client, journal_writer& writer, const scenario::domain& spec,
                               const kernel_override& override)
    : client_(client), config_(config_of(spec)), info_(client.create_domain(config_)) {
  const auto l4 = pfn_to_mfn({(info_.pt_base - info_.virt_base) >> PAGE_SHIFT});
  assert(l4);
  xen_ = std::make_unique<journalled_domain>(client.domain(info_.domid), writer, *l4, info_.vcpus);
  std::vector<mfn_t> tables;
  tables.reserve(info_.nr_pt_frames);
  for (u64 i = 0; i < info_.nr_pt_frames; ++i) tables.push_back(*l4 + i);
  const auto states = client.query_frames(tables);
  for (std::size_t i = 0; i < tables.size(); ++i) writer.know_type(tables[i], states[i].type_info);
  if (!spec.has_kernel()) {
    bare_.emplace(client, *xen_, info_, config_.kernel_pages);
    return;
  }
  profile_ = profile_of(spec.kernel(), override);
  const auto config = config_of(spec.kernel(), profile_, info_.vcpus, override);
  kernel_ = std::make_unique<guest::kernel>(*xen_, info_, config);
  xen_->follow_log([this] { return kernel_->messages(); });
  kernel_->boot();
  if (!client.recorded()) return;
  traced_.emplace(client.domain(info_.domid), [this](mfn_t mfn) { return mfn_to_pfn(mfn); });
  kernel_->trace_to(&*traced_);
}

domain_log running_domain::description() const {
  domain_log log{.domid = info_.domid, .kind = config_.kind, .pages = info_.nr_pages, .vcpus = info_.vcpus};
  if (!kernel_) return log;
  log.kernel = kernel_->config().profile->name;
  for (const auto& item : guest::different_items(profile_, *guest::find_kernel_profile(profile_.name)))
    log.items.push_back({std::string(item.name), item.here, item.there});
  log.nr_cpus = kernel_->config().nr_cpus;
  log.split_ptlocks = kernel_->config().split_ptlocks();
  return log;
}

std::optional<mfn_t> running_domain::pfn_to_mfn(pfn_t pfn) const {
  for (const p2m_run& run : info_.p2m)
    if (run.pfn <= pfn && pfn.n - run.pfn.n < run.frames) return run.mfn + (pfn.n - run.pfn.n);
  return {};
}

std::optional<mfn_t> running_domain::walk(mfn_t l4, u64 va, unsigned down_to_level) {
  mfn_t table = l4;
  for (unsigned level = 4; level > down_to_level; --level) {
    const pte_t entry = client_.read_table(table)[table_slot(va, level)];
    const bool superpage = (level == 2 || level == 3) && (entry & PAGE_PSE) != 0;
    if (!present(entry) || superpage) return {};
    table = pte_mfn(entry);
  }
  return table;
}

std::optional<mfn_t> running_domain::table_of(vcpu_id_t vcpu, unsigned level, u64 va, const std::string& name) {
  if (!name.empty()) return kernel_->table_of(spaces_.at(name, vcpu), va, level);
  return xen_->cr3(vcpu).n == 0 ? std::nullopt : walk(xen_->cr3(vcpu), va, level);
}

std::optional<mfn_t> running_domain::frame_at(vcpu_id_t vcpu, u64 va) {
  return xen_->cr3(vcpu).n == 0 ? std::nullopt : walk(xen_->cr3(vcpu), va, 0);
}

std::optional<pfn_t> running_domain::mfn_to_pfn(mfn_t mfn) const {
  for (const p2m_run& run : info_.p2m)
    if (run.mfn <= mfn && mfn.n - run.mfn.n < run.frames) return run.pfn + (mfn.n - run.mfn.n);
  return {};
}

std::optional<u64> running_domain::kernel_va(mfn_t mfn) const {
  const auto pfn = mfn_to_pfn(mfn);
  if (!pfn) return {};
  if (kernel_) return guest::kernel::direct_map_va(*pfn);
  if (pfn->n >= info_.mapped_pages) return {};
  return info_.virt_base + (pfn->n << PAGE_SHIFT);
}

std::optional<mfn_t> running_domain::alloc_frame() {
  if (kernel_) return pfn_to_mfn(kernel_->alloc_page());
  return bare_->take_mapped();
}

}  // namespace pvmmu::tools
