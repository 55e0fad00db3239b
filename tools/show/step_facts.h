#pragma once
// What is said of one step of a recording, in the words that `pvmmu run` uses:
//
//   const frame_names names = names_in(t);
//   t.go_to(51);
//   step_facts f = facts_of(t, names);
//   f.line          "51  xen_set_pmd  mmu_update = 0  L2 mfn 0x233[0]  mfn 0x23a P|RW|US|A|D → 0"
//   f.full          the call with its entries, and what each changed

#include <string>
#include <vector>

#include "tools/report/act_text.h"
#include "tools/timeline/timeline.h"

namespace pvmmu::tools {

struct step_facts {
  u64 number = 0;
  text_block before{};        ///< said before it: the scenario's steps, lines on the console
  text_line line{};           ///< all of it in one
  text_block full{};          ///< the call, its entries, what each changed, who called, how it is not as recorded
  text_block changes{};       ///< what changed, whichever of its entries did it
  text_block messages{};      ///< that Xen printed
  bool silent = false;        ///< a kernel's own load or store of which Xen saw nothing
  bool failed = false;        ///< it, or an entry of it, was refused; or it ended the domain
  bool differs = false;       ///< the model's answer is not the recorded one
  bool begins_step = false;   ///< a step of the scenario begins here
  std::vector<u64> frames{};  ///< that it touches, ascending
};

/// That a domain is built or destroyed, which stands in for the call in a recording of the model; else nothing.
text_block text_of_domains(const recording::piece& piece);

/// What frames were called, anywhere in the recording.
frame_names names_in(const timeline& t);

/// Of the step that `t` stands behind.
step_facts facts_of(timeline& t, const frame_names& names);

/// What was said behind the last step.
text_block last_words(const timeline& t);

/// "step 51", with the vCPU where there are several.
std::string step_title(timeline& t);

/// What was recorded, how much, and what the file's end lacks.
text_block recording_title(timeline& t, const std::string& path);

}  // namespace pvmmu::tools
