#pragma once
// How the browser divides the screen, and its keys.

#include "tools/show/browser.h"

namespace pvmmu::tools {

/// Rows of the screen's parts; with one line each above the list, between the two, and below, they fill it.
struct browser_layout {
  std::size_t list = 1;
  std::size_t below = 1;
};

browser_layout layout_of(screen_size size);

/// All keys.
text_block browser_help();

}  // namespace pvmmu::tools
