#include "tools/timeline/played_piece.h"

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <stdexcept>

#include "proto/abi/errno.h"
#include "proto/codec.h"
#include "tools/left_calls.h"

namespace pvmmu::tools {
namespace {

using google::protobuf::util::MessageDifferencer;

std::string describe_result(long result) {
  const std::string_view name = errno_name(result);
  return name.empty() ? fmt::to_string(result) : fmt::format("{} ({})", result, name);
}

class piece_comparison {
 public:
  explicit piece_comparison(const played_piece& played) : played_(played) {}

  std::vector<piece_difference> compare() {
    for (const other_entry& entry : played_.other_entries)
      differ(describe(entry, fmt::format("before piece {}", played_.number)), piece_difference::kind::table_entry);
    if (played_.crashed != played_.asked->crashed()) {
      differ(fmt::format("piece {}: domain {} {}, expected that it {}", played_.number, played_.asked->domid(),
                         played_.crashed ? "was crashed" : "goes on", played_.crashed ? "goes on" : "is crashed"));
    } else if (!played_.crashed) {
      compare_answer();
    }
    return std::move(differences_);
  }

 private:
  void differ(std::string text, piece_difference::kind kind = piece_difference::kind::result) {
    differences_.push_back({kind, std::move(text)});
  }

  void compare_answer() {
    using asked = recording::piece::AskedCase;
    switch (played_.asked->asked_case()) {
      case asked::kWrite: return compare_write();
      case asked::kAccess: return compare("the access", played_.asked->accessed(), played_.accessed);
      case asked::kCreateDomain:
        if (played_.created == played_.asked->domid()) return;
        return differ(fmt::format("piece {}: domain {} was built, expected {}", played_.number, played_.created,
                                  played_.asked->domid()));
      case asked::kCall: compare_outcome(); break;
      default: return;
    }
    if (played_.rest) compare_rest();
    // Of a real call not all is recorded that it writes.
    if (played_.of_model && differences_.empty()) compare("the call", played_.expected, played_.found);
  }

  template <class Message>
  void compare(std::string_view what, const Message& expected, const Message& found) {
    if (MessageDifferencer::Equals(expected, found)) return;
    differ(fmt::format("piece {}: {} came to {{ {} }}, expected {{ {} }}", played_.number, what,
                       found.ShortDebugString(), expected.ShortDebugString()));
  }

  void compare_outcome() {
    const wire::call_outcome& expected = played_.expected;
    const wire::call_outcome& found = played_.found;
    if (expected.result() != found.result()) {
      decoded_call call;
      const bool known = call.decode(played_.call).has_value();
      differ(fmt::format("piece {}: {} returned {}, expected {}", played_.number,
                         known ? hypercall_name(call.call()) : "the call", describe_result(found.result()),
                         describe_result(expected.result())));
    }
    if (!MessageDifferencer::Equals(expected.memory_op(), found.memory_op())) {
      differ(fmt::format("piece {}: memory_op wrote {{ {} }}, expected {{ {} }}", played_.number,
                         found.memory_op().ShortDebugString(), expected.memory_op().ShortDebugString()));
    }
    compare_entries();
  }

  void compare_entries() {
    const auto& list = played_.asked->call().multicall().call_list();
    const wire::call_outcome& expected = played_.expected;
    const wire::call_outcome& found = played_.found;
    for (int i = 0; i < expected.entries_size(); ++i) {
      if (i < list.size() && list[i].has_unknown()) continue;  // not for the model to answer
      if (i < found.entries_size() && found.entries(i).result() == expected.entries(i).result()) continue;
      differ(fmt::format("piece {}: entry {} of the multicall returned {}, expected {}", played_.number, i,
                         i < found.entries_size() ? describe_result(found.entries(i).result()) : "nothing",
                         describe_result(expected.entries(i).result())));
    }
  }

  /// Holds the rest of a call that the model would go on with against what the real hypervisor went on with.
  void compare_rest() {
    decoded_call expected;
    if (const auto decoded = expected.decode(played_.rest->call()); !decoded)
      throw std::invalid_argument(fmt::format("the rest of piece {}: {}", played_.number, decoded.error()));
    wire::hypercall model_rest = played_.left_with;
    wire::hypercall recorded_rest;
    encode(expected.call(), recorded_rest);
    if (model_rest.has_multicall() && recorded_rest.has_multicall()) {
      // Of its entries a recording knows those that ran: only the one that was left is part of both.
      const int known = last_entry_left(*played_.asked) ? 1 : 0;
      for (wire::hypercall* call : {&model_rest, &recorded_rest}) {
        auto& list = *call->mutable_multicall()->mutable_call_list();
        if (list.size() > known) list.DeleteSubrange(known, list.size() - known);
      }
    }
    if (MessageDifferencer::Equals(model_rest, recorded_rest)) return;
    differ(fmt::format("piece {}: was left with {{ {} }}, expected {{ {} }}", played_.number,
                       model_rest.ShortDebugString(), recorded_rest.ShortDebugString()));
  }

  void compare_write() {
    const u64 maddr = played_.asked->write().maddr();
    const u64 table = maddr_to_mfn({maddr}).n;
    if (!played_.written) {
      return differ(
          fmt::format("piece {}: an emulated write to mfn {:#x}, which is no L1 of the domain", played_.number, table));
    }
    const bool done = played_.written->result == xen::ptwr_result::okay;
    const bool expected = played_.asked->outcome().result() == 0;
    if (done == expected) return;
    differ(
        fmt::format("piece {}: the emulated write to mfn {:#x} slot {} {}, expected that it {}; the entry held {:#x}",
                    played_.number, table, (maddr & PAGE_OFFSET_MASK) / sizeof(pte_t),
                    done ? "was done" : "was refused", expected ? "is done" : "is refused", played_.written->old));
  }

  const played_piece& played_;
  std::vector<piece_difference> differences_;
};

}  // namespace

std::vector<piece_difference> differences_of(const played_piece& played) { return piece_comparison(played).compare(); }

void add_other_entries(mfn_t table, const u64* found, const u64* expected, std::vector<other_entry>& others) {
  for (unsigned slot = 0; slot < entries_per_table; ++slot) {
    if (((found[slot] ^ expected[slot]) & ~(PAGE_ACCESSED | PAGE_DIRTY)) != 0)
      others.push_back({table, slot, found[slot], expected[slot]});
  }
}

std::string describe(const other_entry& entry, std::string_view when) {
  return fmt::format("mfn {:#x} slot {} {}: {:#x}, expected {:#x}", entry.table.n, entry.slot, when, entry.found,
                     entry.expected);
}

}  // namespace pvmmu::tools
