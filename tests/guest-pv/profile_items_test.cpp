#include "guest-pv/profile_items.h"

#include <gmock/gmock.h>

#include <utility>

namespace pvmmu::guest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct anything {
  template <class T>
  constexpr operator T() const;  // NOLINT(google-explicit-constructor): it stands for any field
};

/// How many fields an aggregate has.
template <class T, class... Fields>
constexpr std::size_t count_fields() {
  if constexpr (requires { T{Fields{}..., anything{}}; })
    return count_fields<T, Fields..., anything>();
  else
    return sizeof...(Fields);
}

// Whatever a profile holds beside its name and its words for people can be set.
TEST(profile_items, every_field_is_one) { EXPECT_EQ(profile_items().size() + 2, count_fields<kernel_profile>()); }

// Every value that an item lists can be set, is then there, and makes the one difference to a profile that had another.
TEST(profile_items, every_value_makes_one_difference) {
  for (const kernel_profile& kernel : kernel_profiles())
    for (const profile_item& item : profile_items()) {
      std::vector<std::string> values(item.values.begin(), item.values.end());
      if (values.empty()) values = {"1", "77"};
      for (const std::string& value : values) {
        kernel_profile changed = kernel;
        ASSERT_TRUE(set_item(changed, std::string(item.name) + "=" + value)) << item.name << value;
        EXPECT_EQ(item.get(changed), value);
        EXPECT_EQ(different_items(changed, kernel).size(), item.get(kernel) == value ? 0u : 1u) << item.name << value;
      }
    }
}

// A name or value that does not exist is answered with those that do, and changes nothing.
TEST(profile_items, what_does_not_exist_is_told_with_what_does) {
  const std::pair<const char*, const char*> mistakes[] = {{"pmd_moves=never", "mprotect_write_back"},
                                                          {"pmd_move=Never", "native_store"},
                                                          {"pmd_move", "native_store"},
                                                          {"saved_dirty=1", "false, true"},
                                                          {"move_ptes_chunk=0", "a number"},
                                                          {"move_ptes_chunk=12x", "a number"},
                                                          {"", "pmd_move"}};
  for (const auto& [text, told] : mistakes) {
    kernel_profile p = *find_kernel_profile("6.1");
    const auto done = set_item(p, text);
    ASSERT_FALSE(done) << text;
    EXPECT_THAT(done.error(), AllOf(HasSubstr("expected"), HasSubstr(told)));
    EXPECT_TRUE(different_items(p, *find_kernel_profile("6.1")).empty());
  }
}

}  // namespace
}  // namespace pvmmu::guest
