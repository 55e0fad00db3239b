// Programs that a scenario's processes execute.

#include <algorithm>

#include "proto/abi/frame.h"
#include "tools/scenario_checker.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

void scenario_checker::check_exec(const sc::exec& e) {
  if (!e.replaces().empty()) {
    need(e.has_image(), e, "an image of what replaces a program: expected image { area { kind: STACK … } }");
    if (!mms_.contains({domid_, e.replaces()}))
      file_.fail(e, "replaces", fmt::format("there is no mm \"{}\" in domain {} here", e.replaces(), domid_));
    end_mm(e.replaces());
  }
  check_new_mm(e, "mm", e.mm());
  if (e.has_image()) check_image(e.image());
}

void scenario_checker::check_image(const sc::image& i) const {
  constexpr u64 most_of_a_stack = u64{1} << 20;
  const auto stacks = std::ranges::count(i.area(), sc::image_area::STACK, &sc::image_area::kind);
  need(stacks == 1, i, fmt::format("one area of kind STACK, not {}", stacks));
  if (i.has_strings()) in_range(i, "strings", i.strings(), 1, most_of_a_stack);
  if (i.has_tables()) in_range(i, "tables", i.tables(), 1, most_of_a_stack);
  for (const auto& a : i.area()) check_image_area(a);
}

void scenario_checker::check_image_area(const sc::image_area& a) const {
  const bool of_file = a.kind() == sc::image_area::TEXT || a.kind() == sc::image_area::DATA;
  need(of_file != a.file().empty(), a, of_file ? "a file: expected file: \"program\"" : "no file: it is the kernel's");
  if (a.kind() != sc::image_area::BSS) return check_range(a, "va", a.va(), a.bytes());
  in_range(a, "va", a.va(), 0, end_of_user_space - 1);
  in_range(a, "bytes", a.bytes(), 1, end_of_user_space - a.va());
}

}  // namespace pvmmu::tools
