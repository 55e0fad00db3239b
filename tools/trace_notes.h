#pragma once
// Lets the trace points of a kernel ride along into the recording of its run, as notes.

#include "guest-pv/channel_client.h"
#include "tools/formats/trace_text.h"

namespace pvmmu::tools {

class trace_notes final : public guest::trace_listener {
 public:
  trace_notes(guest::channel_domain domain, frame_numbers mfn_to_pfn)
      : domain_(domain), mfn_to_pfn_(std::move(mfn_to_pfn)) {}

  void on_trace(vcpu_id_t cpu, const guest::trace::event& e) override {
    domain_.note(note_kind::trace_event, cpu, trace_text(e, mfn_to_pfn_));
  }

 private:
  guest::channel_domain domain_;
  frame_numbers mfn_to_pfn_;
};

}  // namespace pvmmu::tools
