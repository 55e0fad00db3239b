#include "tools/report/fold.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

namespace pvmmu::tools {

namespace {

constexpr std::size_t longest_group = 8;  // blocks

/// A block, or several of them that are repeated.
struct item {
  text_block lines;
  std::string shape;
  u64 blocks = 1;  ///< that this stands for
};

bool is_number_part(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

/// The text with its frames, slots and addresses left out: whatever follows 0x or [. So is a number that a line begins
/// with: it tells the line from the others.
std::string shape_of(const text_block& block) {
  std::string shape;
  for (const text_line& line : block) {
    const auto begin = std::ranges::find_if_not(line.text, is_digit) - line.text.begin();
    for (auto i = static_cast<std::size_t>(begin); i < line.text.size(); ++i) {
      const bool number = line.text[i] == '[' || (line.text[i] == 'x' && i > 0 && line.text[i - 1] == '0');
      shape += line.text[i];
      while (number && i + 1 < line.text.size() && is_number_part(line.text[i + 1])) ++i;
    }
    shape += '\n';
  }
  return shape;
}

unsigned least_indent(const text_block& block) {
  unsigned least = ~0u;
  for (const text_line& line : block) least = std::min(least, line.indent);
  return block.empty() ? 0 : least;
}

/// How often the group of `size` items at `at` comes in a row.
std::size_t repetitions(const std::vector<item>& items, std::size_t at, std::size_t size) {
  std::size_t times = 1;
  for (std::size_t next = at + size; next + size <= items.size(); next += size, ++times)
    for (std::size_t i = 0; i < size; ++i)
      if (items[next + i].shape != items[at + i].shape) return times;
  return times;
}

item merge(const std::vector<item>& items, std::size_t at, std::size_t size, std::size_t times,
           const std::string& what) {
  item merged;
  u64 blocks_a_group = 0;
  for (std::size_t i = at; i < at + size; ++i) {
    merged.lines.insert(merged.lines.end(), items[i].lines.begin(), items[i].lines.end());
    merged.shape += items[i].shape;
    blocks_a_group += items[i].blocks;
  }
  const std::string text = size == 1 && items[at].blocks == 1 ? fmt::format("… and {} more like it", times - 1)
                                                              : fmt::format("… and {} more times these {}", times - 1,
                                                                            count_text(blocks_a_group, what));
  merged.lines.push_back({line_role::dim, least_indent(merged.lines), text});
  merged.shape += fmt::format("x{}\n", times);
  merged.blocks = blocks_a_group * times;
  return merged;
}

/// One pass: groups of exactly `size` items.
std::vector<item> fold_groups(std::vector<item> items, std::size_t size, const std::string& what) {
  const std::size_t worth_it = size == 1 ? 3 : 2;  // a note instead of one line saves nothing
  std::vector<item> folded;
  for (std::size_t at = 0; at < items.size();) {
    const std::size_t times = at + size <= items.size() ? repetitions(items, at, size) : 1;
    if (times < worth_it) {
      folded.push_back(std::move(items[at++]));
      continue;
    }
    folded.push_back(merge(items, at, size, times, what));
    at += size * times;
  }
  return folded;
}

}  // namespace

text_block fold(std::vector<text_block> blocks, const std::string& what) {
  std::vector<std::string> shapes;
  shapes.reserve(blocks.size());
  for (const text_block& b : blocks) shapes.push_back(shape_of(b));
  return fold(std::move(blocks), std::move(shapes), what);
}

text_block fold(std::vector<text_block> blocks, std::vector<std::string> shapes, const std::string& what) {
  std::vector<item> items;
  items.reserve(blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) items.push_back({std::move(blocks[i]), std::move(shapes[i])});
  for (std::size_t size = 1; size <= longest_group; ++size) items = fold_groups(std::move(items), size, what);
  text_block lines;
  for (item& i : items) std::ranges::move(i.lines, std::back_inserter(lines));
  return lines;
}

std::string count_text(u64 n, const std::string& what) {
  if (n == 1) return fmt::format("1 {}", what);
  if (what.ends_with("y")) return fmt::format("{} {}ies", n, what.substr(0, what.size() - 1));
  return fmt::format("{} {}{}", n, what, what.ends_with("h") || what.ends_with("s") ? "es" : "s");
}

}  // namespace pvmmu::tools
