#include "tools/report/call_sequence.h"

#include <algorithm>

#include "proto/abi/pte.h"
#include "tools/report/act_text.h"

namespace pvmmu::tools {

namespace {

/// Words in order, with neighbours that are the same as one.
class word_list {
 public:
  explicit word_list(std::string separator) : separator_(std::move(separator)) {}
  void add(const std::string& word, u64 times = 1) {
    if (!words_.empty() && words_.back().first == word)
      words_.back().second += times;
    else
      words_.emplace_back(word, times);
  }
  std::string text() const {
    std::string t;
    for (const auto& [word, times] : words_)
      t += fmt::format("{}{}{}", t.empty() ? "" : separator_, times == 1 ? "" : fmt::format("{}× ", times), word);
    return t;
  }

  /// Repeated groups as "16× (a; b)", the shortest first.
  void fold_groups() {
    constexpr std::size_t longest = 8;  // words
    for (std::size_t size = 2; size <= longest; ++size) fold_groups(size);
  }

 private:
  using counted_word = std::pair<std::string, u64>;

  void fold_groups(std::size_t size) {
    std::vector<counted_word> folded;
    for (auto at = words_.begin(); at != words_.end();) {
      const auto left = static_cast<std::size_t>(words_.end() - at);
      std::size_t times = 1;
      while ((times + 1) * size <= left && std::equal(at, at + size_of(size), at + size_of(size * times))) ++times;
      if (times < 2) {
        folded.push_back(*at++);
        continue;
      }
      word_list group(separator_);
      group.words_.assign(at, at + size_of(size));
      folded.emplace_back("(" + group.text() + ")", times);
      at += size_of(size * times);
    }
    words_ = std::move(folded);
  }
  static std::ptrdiff_t size_of(std::size_t n) { return static_cast<std::ptrdiff_t>(n); }

  std::string separator_;
  std::vector<counted_word> words_;
};

std::string op_words(const mmuext_op_t& op) {
  switch (op.cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE: return fmt::format("pin L{}", op.cmd + 1);
    case MMUEXT_UNPIN_TABLE: return "unpin";
    case MMUEXT_NEW_BASEPTR: return "cr3";
    case MMUEXT_NEW_USER_BASEPTR: return "user cr3";
    case MMUEXT_TLB_FLUSH_LOCAL:
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_INVLPG_LOCAL:
    case MMUEXT_INVLPG_MULTI:
    case MMUEXT_INVLPG_ALL: return "flush";
    default: return std::string(mmuext_cmd_name(op.cmd));
  }
}

std::string update_words(const mmu_update_t& u, const act& a) {
  const auto level = a.table_levels.find(maddr_to_mfn({u.ptr}).n);
  const std::string table = level == a.table_levels.end() ? "memory" : fmt::format("L{}", level->second);
  return fmt::format("{} {}", present(u.val) ? "set" : "clear", table);
}

std::string call_words(const hypercall& call, const act& a) {
  word_list words(", ");
  if (const auto* c = std::get_if<mmu_update_call>(&call)) {
    for (const auto& u : c->ureqs.entries) words.add(update_words(u, a));
  } else if (const auto* x = std::get_if<mmuext_op_call>(&call)) {
    for (const auto& op : x->uops.entries) words.add(op_words(op));
  } else if (const auto* u = std::get_if<update_va_mapping_call>(&call)) {
    words.add(!present(u->val) ? "va clear" : (u->val & PAGE_RW) != 0 ? "va RW" : "va RO");
  } else if (const auto* m = std::get_if<multicall_call>(&call)) {
    for (const auto& e : m->call_list)
      words.add(call_words(e.call, a) + (e.result < 0 ? " = " + result_text(e.result) : ""));
    return "{" + words.text() + "}";
  } else {
    words.add(std::string(hypercall_name(call)));
  }
  return words.text();
}

}  // namespace

std::string call_words(const act& a) { return call_words(a.call->call(), a); }

std::string call_sequence(const std::vector<const step_log*>& steps) {
  word_list words("; ");
  for (const step_log* s : steps)
    for (const auto& entry : s->entries) {
      const act* a = std::get_if<act>(&entry);
      if (a == nullptr) continue;
      if (a->is_call())
        words.add(call_words(*a) + (a->result < 0 ? " = " + result_text(a->result) : ""));
      else if (a->is_trap())
        words.add("trap");
    }
  words.fold_groups();
  return words.text();
}

}  // namespace pvmmu::tools
