#include "tools/why/refused_grants.h"

#include <algorithm>
#include <array>

namespace pvmmu::tools {
namespace {

struct status_rule {
  gnttab_cmd cmd;
  grant_status status;
  std::string_view rule, accepted;
};

constexpr std::string_view foreign_grants = "The domain whose grants are asked for must exist.";
constexpr std::string_view foreign_grants_accepted = "a domain's number";

// xen 4.17 common/grant_table.c: map_grant_ref, unmap_common, gnttab_get_status_frames.
constexpr auto rules = std::to_array<status_rule>({
    {GNTTABOP_map_grant_ref, GNTST_general_error,
     "The granting domain's entry must permit access to this domain, and no sub-page; it must not be read-only for a "
     "mapping that writes, whose frame must be one that can be writable; and a host mapping needs an L1 entry of the "
     "caller's to stand in.",
     "a grant to this domain, mapped read-only where it is so or where its frame is a page table, at an address whose "
     "L1 is there"},
    {GNTTABOP_map_grant_ref, GNTST_bad_domain, foreign_grants, foreign_grants_accepted},
    {GNTTABOP_map_grant_ref, GNTST_bad_gntref,
     "A mapping is for the host, for devices or for both, and of an entry that the granting domain's table has.",
     "GNTMAP_host_map or GNTMAP_device_map, and a reference within the table"},
    {GNTTABOP_map_grant_ref, GNTST_bad_page, "What is granted must be a frame of the granting domain's.",
     "a grant of a frame that its domain owns"},
    {GNTTABOP_map_grant_ref, GNTST_no_space, "A domain has a limited number of mappings at one time.",
     "the same, once others are unmapped"},
    {GNTTABOP_unmap_grant_ref, GNTST_general_error,
     "The entry that is to go must still be what the mapping made it: of the same frame, present, and writable only "
     "if the mapping is.",
     "the entry as it was, at the address where it was mapped"},
    {GNTTABOP_unmap_grant_ref, GNTST_bad_handle, "A handle names a mapping that is there.",
     "what map_grant_ref returned, once"},
    {GNTTABOP_unmap_grant_ref, GNTST_bad_dev_addr, "A device mapping is named by its frame's machine address.",
     "the dev_bus_addr that map_grant_ref returned, or 0"},
    {GNTTABOP_get_status_frames, GNTST_bad_domain, foreign_grants, foreign_grants_accepted},
    {GNTTABOP_get_status_frames, GNTST_permission_denied,
     "Whose grants they are must be the caller, or be ruled by it.", "DOMID_SELF"},
    {GNTTABOP_get_status_frames, GNTST_general_error,
     "Only a table of version 2 has status frames, and no more can be asked for than there are.",
     "set_version 2 first; nr_frames as the table has"},
    {GNTTABOP_get_status_frames, GNTST_bad_virt_addr, "The list of frames must be memory that can be written.",
     "an address of the guest's own, with room for nr_frames"},
});

refusal_rule rule_of(gnttab_cmd cmd, s16 status) {
  const auto found = std::ranges::find_if(
      rules, [&](const status_rule& r) { return r.cmd == cmd && static_cast<s16>(r.status) == status; });
  if (found == rules.end()) return {{}, 0, "Xen refuses it.", ""};
  return {{}, 0, found->rule, found->accepted};
}

s16 status_of(const gnttab_map_grant_ref_t& op) { return op.status; }
s16 status_of(const gnttab_unmap_grant_ref_t& op) { return op.status; }

void add(const grant_table_op_call& call, const std::vector<u32>& path, std::vector<refused_grant>& found) {
  const auto take = [&](s16 status, u32 index) {
    if (status >= 0) return;
    std::vector<u32> whole = path;
    whole.push_back(index);
    found.push_back({std::move(whole), status, rule_of(call.cmd(), status)});
  };
  std::visit(
      [&](const auto& uop) {
        using kind = std::decay_t<decltype(uop)>;
        if constexpr (std::is_same_v<kind, gnttab_get_status_frames_t>)
          take(uop.status, 0);
        else if constexpr (!std::is_same_v<kind, gnttab_set_version_t>)
          for (u32 i = 0; i < uop.size(); ++i) take(status_of(uop[i]), i);
      },
      call.uop);
}

}  // namespace

std::vector<refused_grant> refused_grants(const act& a) {
  std::vector<refused_grant> found;
  if (!a.is_call()) return found;
  const hypercall& call = a.call->call();
  if (const auto* g = std::get_if<grant_table_op_call>(&call)) add(*g, {}, found);
  const auto* m = std::get_if<multicall_call>(&call);
  for (u32 i = 0; m && i < m->call_list.size(); ++i)
    if (const auto* g = std::get_if<grant_table_op_call>(&m->call_list[i].call)) add(*g, {i}, found);
  return found;
}

}  // namespace pvmmu::tools
