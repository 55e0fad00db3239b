#pragma once
// A program that was written down: its title, the names of its frames, and what is expected of each call.

#include <optional>
#include <string>
#include <vector>

#include "tools/lab/program.h"

namespace pvmmu::conform {

/// What a frame is expected to be once a call has returned. Only the bits of the masks count.
struct expected_frame {
  std::string where{};  ///< file:line:column
  u32 frame = 0;        ///< index, or probe::frame_name
  u64 type_info = 0;
  u64 type_mask = 0;
  u64 count_info = 0;
  u64 count_mask = 0;
  std::vector<lab::content> contents{};  ///< their `frame` is the one above
};

struct expected_fault {
  u16 vector = 14;
  std::optional<u32> error_code{};
  std::optional<lab::word> cr2{};
};

/// What is absent is not expected; but a call that fails, an access that faults and a domain that crashes must be.
struct expectation {
  std::string where{};  ///< file:line:column of the call
  std::optional<s64> result{};
  std::optional<u32> done{};          ///< what lies there after the call
  std::vector<s16> grant_statuses{};  ///< of the entries of a grant's call
  std::vector<s64> entry_results{};   ///< of a multicall
  std::optional<lab::word> value{};   ///< what an access read
  std::optional<expected_fault> fault{};
  bool crashes = false;  ///< Xen crashes the domain in this call
  std::vector<expected_frame> frames{};
};

struct named_program {
  std::string title{};
  lab::program program{};
  std::vector<std::string> frame_names{};  ///< own frames, then adopted ones
  std::vector<std::string> foreign_names{};
  std::vector<std::string> notes{};     ///< one a call
  std::vector<expectation> expected{};  ///< one a call
};

}  // namespace pvmmu::conform
