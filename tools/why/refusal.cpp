#include "tools/why/refusal.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "proto/abi/hypercall.h"
#include "tools/report/event_tree.h"
#include "tools/why/refused_grants.h"

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
  ear(xen::machine& m, const xens_share& share) : m_(m), share_(share) {
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
    if (e.kind == event_kind::call_begin) begin_call(e.value);
    if (e.kind == event_kind::crash) top().operation.crashed = true;
    if (stack_.empty()) return;
    if (e.kind == event_kind::entry) begin_entry(e.slot);
    if (e.kind == event_kind::continuation) top().left_behind = e.value;
    if (e.kind == event_kind::call_end) end_call(static_cast<long>(e.value));
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

  /// What was refused when `step`, which was listened to, was made.
  std::vector<refused_operation> take(const timeline_step& step) {
    std::vector<refused_operation> all;
    for (auto& [at, operation] : found_) {
      operation.path = path_of(step.act, at);
      all.push_back(std::move(operation));
    }
    for (const refused_grant& grant : refused_grants(step.act)) all.push_back(explained(grant, step.act));
    if (!outside_.operation.words.empty()) all.push_back(std::move(outside_.operation));
    return all;
  }

 private:
  /// An entry of a piece of a call, which goes on with so many; nothing: the call begins with it.
  struct place {
    u32 slot = 0;
    std::optional<u64> entries_left{};
  };
  using places = std::vector<place>;

  struct call {
    u64 number = 0;
    std::optional<u64> entries_left{};  ///< of the call's when this piece began, if it is not the first
    std::optional<u64> left_behind{};   ///< entries for the next piece
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
    frame_at_fault frame{.mfn = mfn, .record = m_.page(mfn), .owner = owner_text(m_, mfn)};
    xen::reference_sum seen;
    for (const xen::holder& h : xen::holders_of(m_, mfn)) {
      seen.add(h);
      if (h.typed) frame.holders.push_back({.holder = h});
    }
    const balance b = balance_of(frame.record, seen, share_.of(mfn));
    frame.passing = static_cast<u64>(std::max<s64>(b.general_off(), 0));
    frame.passing_typed = static_cast<u64>(std::max<s64>(b.typed_off(), 0));
    return frame;
  }

  void begin_call(u64 number) {
    if (left_.size() <= stack_.size()) left_.emplace_back();
    stack_.push_back({.number = number, .entries_left = left_[stack_.size()]});
  }

  void begin_entry(u32 slot) {
    keep_grant();
    top().entry = slot;
  }

  void end_call(long result) {
    keep_grant();
    const places at = here();
    call ended = std::move(stack_.back());
    stack_.pop_back();
    left_[stack_.size()] = ended.left_behind;
    if (result >= 0 && !ended.operation.crashed) return;
    const bool outer = ended.number == HYPERVISOR_multicall && !found_.empty();
    if (outer) return;
    refused_operation& r = ended.operation;
    r.result = result;
    if (r.where.empty()) r.rule = rule_of_error(result);
    found_.emplace_back(at, std::move(r));
  }

  places here() const {
    places at;
    for (const call& c : stack_)
      if (c.entry) at.push_back({*c.entry, c.entries_left});
    return at;
  }

  /// A grant operation has a status of its own, and words.
  void keep_grant() {
    if (top().number != HYPERVISOR_grant_table_op || top().operation.words.empty()) return;
    grants_.emplace_back(here(), std::exchange(top().operation, {}));
  }

  static std::vector<u32> path_of(const act& a, const places& at) {
    std::vector<u32> path;
    const hypercall* c = a.is_call() ? &a.call->call() : nullptr;
    for (const place& p : at) {
      path.push_back(p.slot + (c && p.entries_left ? first_entry_of_piece(*c, *p.entries_left) : 0));
      const auto* const m = c ? std::get_if<multicall_call>(c) : nullptr;
      c = m && path.back() < m->call_list.size() ? &m->call_list[path.back()].call : nullptr;
    }
    return path;
  }

  refused_operation explained(const refused_grant& grant, const act& a) {
    refused_operation r{.rule = grant.rule};
    for (auto& [at, operation] : grants_)
      if (path_of(a, at) == grant.path) r = std::move(operation);
    if (r.where.empty()) r.rule = grant.rule;
    r.path = grant.path;
    r.result = grant.status;
    r.grant_status = true;
    return r;
  }

  xen::machine& m_;
  const xens_share& share_;
  std::vector<call> stack_;
  call outside_;
  std::vector<std::optional<u64>> left_;  ///< by depth: entries that the piece before left
  std::vector<std::pair<places, refused_operation>> found_;
  std::vector<std::pair<places, refused_operation>> grants_;  ///< of which something was said
};

}  // namespace

bool has_refusal(const timeline_step& step) {
  if (step.act.crashed || failed(step.act) || !refused_grants(step.act).empty()) return true;
  if (step.piece.has_write() && step.act.outcome.fault) return true;
  return std::ranges::any_of(step.act.events, [](const owned_event& e) { return e.kind == event_kind::message; });
}

std::vector<refused_operation> refusals_of(timeline& t, u64 number) {
  const xens_share share(t);
  t.go_to(t.previous(number));
  std::vector<refused_operation> found;
  {
    ear listening(t.machine(), share);
    t.go_to(number);
    found = listening.take(t.step());
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
