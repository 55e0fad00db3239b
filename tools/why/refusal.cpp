#include "tools/why/refusal.h"

#include <algorithm>
#include <charconv>

#include "proto/abi/hypercall.h"

namespace pvmmu::tools {
namespace {

/// The hexadecimal number behind `word` in `text`.
std::optional<u64> number_behind(const std::string& text, std::string_view word) {
  const std::size_t at = text.find(word);
  if (at == std::string::npos) return std::nullopt;
  const char* from = text.data() + at + word.size();
  const char* const end = text.data() + text.size();
  if (end - from > 2 && from[0] == '0' && from[1] == 'x') from += 2;
  u64 n = 0;
  return std::from_chars(from, end, n, 16).ec == std::errc{} ? std::optional(n) : std::nullopt;
}

/// Listens while one step is made.
class ear : public event_sink, public xen::reason_listener {
 public:
  explicit ear(xen::machine& m) : m_(m) {
    m_.overhear(this);
    m_.tell_reasons_to(this);
  }
  ~ear() override {
    m_.overhear(nullptr);
    m_.tell_reasons_to(nullptr);
  }
  ear(const ear&) = delete;
  ear& operator=(const ear&) = delete;

  void on_event(const event& e) override {
    if (e.kind == event_kind::call_begin) stack_.push_back({.number = e.value});
    if (e.kind == event_kind::entry && !stack_.empty()) stack_.back().entry = stack_.back().base + e.slot;
    if (e.kind == event_kind::crash) top().operation.crashed = true;
    if (e.kind == event_kind::call_end && !stack_.empty()) end_call(static_cast<long>(e.value));
  }

  void on_reason(xen::message_site site, const std::string& words) override {
    refused_operation& r = top().operation;
    r.words.push_back(words);
    follow(r, site, words);
    if (const refusal_rule* const rule = rule_at(site); rule && r.where.empty()) {
      r.rule = *rule;
      r.where = fmt::format("{}:{}", site.file, site.line);
      if (const auto mfn = number_behind(words, "mfn ")) r.frame = look_at({*mfn});
    }
  }

  /// Also what was refused outside of a call: a store.
  std::vector<refused_operation> take() {
    if (!outside_.operation.words.empty()) found_.push_back(std::move(outside_.operation));
    return std::move(found_);
  }

 private:
  struct call {
    u64 number = 0;
    u32 base = 0;
    std::optional<u32> entry{};
    unsigned slot = 0;  ///< of the table whose validation failed last
    refused_operation operation{};
  };

  call& top() { return stack_.empty() ? outside_ : stack_.back(); }

  /// The way from a refused entry to the table that was to be validated: "Failure … slot", "Error while validating".
  void follow(refused_operation& r, const xen::message_site&, const std::string& words) {
    if (words.starts_with("Failure ")) top().slot = static_cast<unsigned>(number_behind(words, "slot ").value_or(0));
    if (!words.starts_with("Error while validating mfn ")) return;
    const mfn_t table{number_behind(words, "mfn ").value_or(0)};
    if (!m_.mfn_valid(table)) return;
    r.way.push_back({table, xen::table_level(m_.page(table).type_info), top().slot, m_.words(table)[top().slot]});
  }

  std::optional<frame_at_fault> look_at(mfn_t mfn) {
    if (!m_.mfn_valid(mfn)) return std::nullopt;
    frame_at_fault frame{mfn, m_.page(mfn), owner_text(m_, mfn)};
    for (const xen::holder& h : xen::holders_of(m_, mfn))
      if (h.typed) frame.holders.push_back({.holder = h});
    return frame;
  }

  void end_call(long result) {
    call ended = std::move(stack_.back());
    stack_.pop_back();
    if (result >= 0 && !ended.operation.crashed) return;
    const bool outer = ended.number == HYPERVISOR_multicall && !found_.empty();
    if (outer) return;
    refused_operation& r = ended.operation;
    r.result = result;
    for (const call& above : stack_)
      if (above.entry) r.path.push_back(*above.entry);
    if (ended.entry) r.path.push_back(*ended.entry);
    if (r.where.empty()) r.rule = rule_of_error(result);
    found_.push_back(std::move(r));
  }

  xen::machine& m_;
  std::vector<call> stack_;
  call outside_;
  std::vector<refused_operation> found_;
};

}  // namespace

bool has_refusal(const timeline_step& step) {
  if (step.act.crashed || failed(step.act)) return true;
  if (step.piece.has_write() && step.act.outcome.fault) return true;
  return std::ranges::any_of(step.act.events, [](const owned_event& e) { return e.kind == event_kind::message; });
}

std::vector<refused_operation> refusals_of(timeline& t, u64 number) {
  t.go_to(t.previous(number));
  std::vector<refused_operation> found;
  {
    ear listening(t.machine());
    t.go_to(number);
    found = listening.take();
  }
  for (refused_operation& r : found) {
    if (!r.frame) continue;
    std::vector<xen::holder> holders;
    for (const held_by& held : r.frame->holders) holders.push_back(held.holder);
    const std::vector<origin> origins = find_origins(t, r.frame->mfn, holders, number);
    for (std::size_t i = 0; i < origins.size(); ++i) r.frame->holders[i].made = origins[i];
  }
  t.go_to(number);
  return found;
}

}  // namespace pvmmu::tools
