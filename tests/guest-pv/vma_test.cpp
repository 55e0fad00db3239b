// Which areas become one: linux 6.1 mm/mmap.c vma_merge, is_mergeable_anon_vma.

#include "guest-pv/vma.h"

#include <gmock/gmock.h>

namespace pvmmu::guest {
namespace {

using ::testing::ElementsAre;

vma pages(u64 first, u64 end) {
  return {.start = first << PAGE_SHIFT, .end = end << PAGE_SHIFT, .access = prot::read_write, .pgoff = first};
}

std::vector<u64> starts(const vma_tree& tree) {
  std::vector<u64> all;
  for (const auto& [start, area] : tree) all.push_back(start >> PAGE_SHIFT);
  return all;
}

// An area without pages of its own becomes part of a neighbour that has some, and joins two that have the same.
TEST(vma_tree, what_is_added_joins_its_neighbours) {
  vma_tree tree;
  tree.insert(pages(0x10, 0x20));
  tree.anon_vma_prepare(*tree.find(0x10000));
  tree.insert(pages(0x20, 0x30));
  EXPECT_THAT(starts(tree), ElementsAre(0x10));
  EXPECT_NE(tree.find(0x2f000)->anon_vma, 0u);
  tree.remove(0x18000, 0x20000);
  EXPECT_THAT(starts(tree), ElementsAre(0x10, 0x20));
  tree.insert(pages(0x18, 0x20));
  EXPECT_THAT(starts(tree), ElementsAre(0x10));
}

// Two that got their pages apart from each other stay two, though what lies between joins the left one.
TEST(vma_tree, different_anon_vmas_stay_apart) {
  vma_tree tree;
  tree.insert(pages(0x10, 0x20));
  tree.insert(pages(0x30, 0x40));
  for (const u64 va : {0x10000u, 0x30000u}) tree.anon_vma_prepare(*tree.find(va));
  tree.insert(pages(0x20, 0x30));
  EXPECT_THAT(starts(tree), ElementsAre(0x10, 0x30));
}

// What has pages of its own does not join a neighbour without; a neighbour that is only protected otherwise shares its
// anon_vma with what is faulted in beside it, so that they can be one again.
TEST(vma_tree, protection_can_be_taken_back) {
  vma_tree tree;
  tree.insert(pages(0x10, 0x20));
  for (vma part : tree.remove(0x18000, 0x20000)) {
    part.access = prot::read;
    tree.insert(part);
  }
  tree.anon_vma_prepare(*tree.find(0x10000));
  for (vma part : tree.remove(0x10000, 0x18000)) {
    part.access = prot::read;
    tree.insert(part);
  }
  EXPECT_THAT(starts(tree), ElementsAre(0x10, 0x18)) << "the right one has no anon_vma";
  tree.anon_vma_prepare(*tree.find(0x18000));
  EXPECT_EQ(tree.find(0x18000)->anon_vma, tree.find(0x10000)->anon_vma);
}

// fork's clones do not take others in.
TEST(vma_tree, clones_stay_as_they_are) {
  vma_tree parent, child;
  parent.insert(pages(0x10, 0x20));
  parent.anon_vma_prepare(*parent.find(0x10000));
  child.add_clone(*parent.find(0x10000));
  child.insert(pages(0x20, 0x30));
  EXPECT_THAT(starts(child), ElementsAre(0x10, 0x20));
  child.anon_vma_prepare(*child.find(0x20000));
  EXPECT_NE(child.find(0x20000)->anon_vma, child.find(0x10000)->anon_vma);
}

}  // namespace
}  // namespace pvmmu::guest
