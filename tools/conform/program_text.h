#pragma once
// Conformance programs as files: scenarios (proto/scenario.proto) of a DOM0 in which no kernel runs.
//
//   auto p = parse_program(text, "xsa_182.textproto");       // else file:line:column and what was expected
//   session s = real.run(std::array{p->program});
//   std::string saved = print_program(p->program, "what differs");
//
// What a program says comes back from its text as it was. Not so what has no meaning: the order of contents in
// different frames, a vCPU mask that nothing points to, what an absent blob would adopt.
//
// A frame that a scenario wants mapped is mapped by a call of its own, in the last slots of the window.

#include <expected>
#include <string>
#include <string_view>

#include "tools/conform/named_program.h"
#include "tools/lab/memory_image.h"

namespace pvmmu::conform {

std::expected<named_program, std::string> parse_program(const std::string& text, std::string file_name);

/// What the real Xen made of a program: printed as what is expected of it. Without its memory nothing is expected of
/// frames.
struct seen {
  const lab::program_answer& answer;
  const lab::memory_image* memory = nullptr;
};
std::string print_program(const lab::program& p, std::string_view title, const seen* real = nullptr);

}  // namespace pvmmu::conform
