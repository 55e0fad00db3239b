#include "tools/show/show_text.h"

#include <utility>

#include "tools/command.h"
#include "tools/report/changes_text.h"
#include "tools/report/paint.h"
#include "tools/show/columns.h"
#include "tools/show/page_tree.h"
#include "tools/show/touched.h"
#include "tools/show/tree_text.h"

namespace pvmmu::tools {

namespace {

using writer = std::function<void(const std::string&)>;

constexpr unsigned line_indent = 2;           // columns
constexpr unsigned detail_indent = 4;         // columns
constexpr std::size_t folded_at_once = 4096;  // steps: so that output of a long recording begins at once

class text_shower {
 public:
  text_shower(timeline& t, const show_request& request, bool colored, const writer& write)
      : timeline_(t), request_(request), colored_(colored), write_(write), names_(names_in(t)) {}

  void overview() {
    print(recording_title(timeline_, request_.path));
    write_("\n");
    std::vector<text_block> blocks;
    const bool filtered = request_.mfn || request_.va;
    u64 silent = 0;
    const u64 found = for_each_step(timeline_, request_, [&] {
      const bool left_out = !filtered && is_silent(timeline_.step().act) && timeline_.step().notes.empty();
      silent += left_out;
      if (!left_out) blocks.push_back(short_block());
      if (blocks.size() == folded_at_once) print(fold(std::exchange(blocks, {}), "step"));
    });
    print(fold(std::move(blocks), "step"));
    if (!filtered) print(last_words(timeline_));
    if (silent != 0)
      print({{line_role::dim, 0,
              fmt::format("left out: {} of a kernel's own that Xen saw nothing of", count_text(silent, "access"))}});
    complain_about_none(found);
  }

  void in_full() {
    bool first = true;
    const u64 found = for_each_step(timeline_, request_, [&] {
      if (!std::exchange(first, false)) write_("\n");
      print(full_block());
    });
    complain_about_none(found);
  }

  void trees() {
    show_request one = request_;
    if (one.steps.empty()) one.steps = "last";
    const step_range range = parse_steps(one.steps, timeline_.size(), true);
    if (range.first == 0) {
      timeline_.go_to(0);
      print({{line_role::heading, 0, "before the first step"}});
      print_tree();
      if (range.last == 0) return;
      one.steps = fmt::format("1-{}", range.last);
    }
    one.mfn.reset();
    one.va.reset();
    for_each_step(timeline_, one, [&] {
      const step_facts f = facts_of(timeline_, names_);
      print({{line_role::heading, 0, "behind step " + f.line.text}});
      print_tree();
    });
  }

 private:
  void print(const text_block& lines) { write_(paint(printable(lines), colored_)); }

  void print_tree() {
    const tree_choice choice{request_.cr3, request_.va};
    print(tree_text(page_tree(timeline_.machine(), timeline_.step().act, choice), names_));
  }

  /// What is told below a step's line.
  text_block details(const step_facts& f) const {
    const act& a = timeline_.step().act;
    if (request_.changes) return f.changes;
    if (request_.va)
      return fold(
          changes_text(events_on_walk(timeline_.machine(), a, *request_.va, request_.cr3), names_, detail_indent),
          "change");
    if (request_.mfn) return fold(changes_text(events_of_frame(a, *request_.mfn), names_, detail_indent), "change");
    return f.messages;
  }

  text_block short_block() {
    step_facts f = facts_of(timeline_, names_);
    const std::size_t width = fmt::formatted_size("{}", timeline_.size());
    f.line.indent = static_cast<unsigned>(line_indent + width - fmt::formatted_size("{}", f.number));
    text_block block = std::move(f.before);
    block.push_back(std::move(f.line));
    if (f.differs) block.push_back({line_role::bad, detail_indent, "not as recorded"});
    const text_block below = details(f);
    block.insert(block.end(), below.begin(), below.end());
    return block;
  }

  text_block full_block() {
    const step_facts f = facts_of(timeline_, names_);
    text_block block{{line_role::heading, 0, step_title(timeline_)}};
    block.insert(block.end(), f.before.begin(), f.before.end());
    const text_block& what = request_.changes ? f.changes : f.full;
    block.insert(block.end(), what.begin(), what.end());
    if (what.empty()) block.push_back({line_role::dim, detail_indent, "nothing changed"});
    return block;
  }

  void complain_about_none(u64 found) {
    if (found != 0) return;
    std::string what = "the recording has no steps";
    if (request_.mfn) what = fmt::format("no step touches mfn {:#x}", request_.mfn->n);
    if (request_.va) what = fmt::format("no step changes an entry on the way to {:#x}", *request_.va);
    print({{line_role::dim, 0, what}});
  }

  timeline& timeline_;
  const show_request& request_;
  bool colored_;
  const writer& write_;
  const frame_names names_;
};

}  // namespace

void show_text(timeline& t, const show_request& request, bool colored, const writer& write) {
  text_shower shower(t, request, colored, write);
  if (request.tree) return shower.trees();
  request.steps.empty() ? shower.overview() : shower.in_full();
}

}  // namespace pvmmu::tools
