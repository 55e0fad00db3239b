#include "tools/compare/follow.h"

#include <fmt/format.h>

#include "tools/command.h"

namespace pvmmu::compare {

page_table_view view_at_start(const call_stream& stream) {
  page_table_view view;
  for (const first_table& t : stream.tables) view.load(t.mfn, t.level, t.words);
  for (vcpu_id_t vcpu = 0; vcpu < stream.roots.size(); ++vcpu) view.load_root(vcpu, {stream.roots[vcpu].kernel_mfn()});
  return view;
}

void load_contents(page_table_view& view, const recording::piece& piece) {
  for (const recording::content& content : piece.contents()) {
    const auto words = tools::decode_table(content.table());
    if (!words) throw tools::input_error(words.error());
    view.load({content.table().mfn()}, 0, *words);
  }
}

}  // namespace pvmmu::compare
