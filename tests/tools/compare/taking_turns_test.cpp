#include "tools/compare/taking_turns.h"

#include <gmock/gmock.h>

#include <stdexcept>

namespace pvmmu::compare {
namespace {

using testing::ElementsAre;

/// Two vCPUs that make so many calls each; who called, in order.
std::vector<vcpu_id_t> calls_of(std::vector<vcpu_id_t> order, int first_calls, int second_calls) {
  std::vector<vcpu_id_t> called;
  taking_turns turns(std::move(order));
  const auto calls = [&](vcpu_id_t vcpu, int count) {
    return [&called, &turns, vcpu, count] {
      for (int i = 0; i < count; ++i) {
        called.push_back(vcpu);
        turns.called(vcpu);
      }
    };
  };
  turns.run({{0, calls(0, first_calls)}, {1, calls(1, second_calls)}});
  return called;
}

// The calls come in the order that is asked for.
TEST(taking_turns, follows_the_order) {
  EXPECT_THAT(calls_of({1, 0, 0, 1, 0, 1}, 3, 3), ElementsAre(1, 0, 0, 1, 0, 1));
}

// An order that is wrong, or too short, stops nobody: whoever still has calls makes them.
TEST(taking_turns, goes_on_where_the_order_cannot_be) {
  EXPECT_THAT(calls_of({0, 0, 0, 0}, 2, 2), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(calls_of({1}, 2, 2), ElementsAre(1, 1, 0, 0));
}

// What one throws comes out, once the other is through.
TEST(taking_turns, throws_what_one_throws) {
  taking_turns turns({0, 1});
  bool through = false;
  EXPECT_THROW(turns.run({{0, [] { throw std::runtime_error("no"); }}, {1, [&] { through = true; }}}),
               std::runtime_error);
  EXPECT_TRUE(through);
}

}  // namespace
}  // namespace pvmmu::compare
