#pragma once
// Takes a view of the page tables through a stream, call by call, and shows each operation on the way:
//
//   page_table_view view = view_at_start(stream);
//   for (const whole_call& call : stream.calls)
//     follow(view, call, [&](int entry, const operation& o) { … before it … }, [&](const operation& o) { … after … });

#include "tools/compare/call_stream.h"
#include "tools/compare/page_table_view.h"

namespace pvmmu::compare {

page_table_view view_at_start(const call_stream& stream);

/// Adopts what the call's tables held when they were validated.
void load_contents(page_table_view& view, const recording::piece& piece);

/// `before(entry, operation)` with the view as it was, the operation's tables alive; `after(operation)` with what it
/// did. `entry` counts a multicall's entries, from 0. What failed as a whole is shown, and not done.
template <class Before, class After>
void follow(page_table_view& view, const whole_call& call, Before&& before, After&& after) {
  const recording::piece& piece = call.piece;
  load_contents(view, piece);
  const auto each = [&](int entry, const operation& o, const wire::call_outcome& outcome) {
    view.meet(o);
    before(entry, o);
    if (outcome.result() >= 0) view.apply(o, piece.vcpu());
    after(o);
  };
  if (piece.has_write()) return each(0, operation_of(piece.write()), piece.outcome());
  if (!piece.call().has_multicall()) {
    for (const operation& o : operations_of(piece.call())) each(0, o, piece.outcome());
    return;
  }
  const auto& list = piece.call().multicall().call_list();
  for (int i = 0; i < list.size(); ++i) {
    const wire::call_outcome& outcome =
        i < piece.outcome().entries_size() ? piece.outcome().entries(i) : piece.outcome();
    for (const operation& o : operations_of(list[i])) each(i, o, outcome);
  }
}

}  // namespace pvmmu::compare
