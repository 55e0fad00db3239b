#include "tools/exec_step.h"

#include <algorithm>
#include <cerrno>
#include <map>

#include "guest-pv/exec_image.h"
#include "tools/memory_steps.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

namespace {

guest::exec_image image_of(const sc::image& from) {
  guest::exec_image image;
  for (const auto& a : from.area()) {
    image.areas.push_back({.kind = static_cast<guest::image_area::area_kind>(a.kind()),
                           .va = a.va(),
                           .len = a.bytes(),
                           .file = a.file(),
                           .pgoff = a.pgoff()});
  }
  if (from.has_strings()) image.strings = from.strings();
  if (from.has_tables()) image.tables = from.tables();
  return image;
}

/// The files that the image maps, each as long as the image needs it to be; those that exist are taken as they are.
guest::mm_result<void> create_files(vcpu_id_t cpu, guest::kernel& k, const guest::exec_image& image) {
  std::map<std::string, u64> bytes;
  for (const auto& a : image.areas)
    if (!a.file.empty()) bytes[a.file] = std::max(bytes[a.file], (a.pgoff << PAGE_SHIFT) + a.len);
  for (const auto& [name, len] : bytes)
    if (auto created = k.create_file(cpu, name, len); !created && created.error().error != EEXIST) return created;
  return {};
}

}  // namespace

void perform_exec(const sc::step& step, guest::kernel& k, address_spaces& spaces, step_outcome& outcome) {
  const sc::exec& e = step.exec();
  const vcpu_id_t cpu = step.vcpu();
  if (e.has_image()) {
    const guest::exec_image image = image_of(e.image());
    if (const auto files = create_files(cpu, k, image); !files) return set_error(outcome, files.error());
    guest::mm* const replaced = e.replaces().empty() ? nullptr : &spaces.at(e.replaces(), cpu);
    const auto next = k.execve(cpu, image, replaced);
    if (!next) return set_error(outcome, next.error());
    if (replaced) spaces.remove(e.replaces());
    spaces.add(e.mm(), **next);
  } else {
    spaces.add(e.mm(), k.exec_mm(cpu));
  }
  spaces.load(cpu, e.mm());
}

}  // namespace pvmmu::tools
