#pragma once
// From the lab's program to a scenario. Internal to print_program (program_text.h).

#include <scenario.pb.h>

#include <string>

#include "tools/conform/program_text.h"

namespace pvmmu::conform {

class program_writer {
 public:
  /// `real` may be nullptr.
  program_writer(const lab::program& p, const seen* real) : program_(p), real_(real) {}
  scenario::scenario write(std::string_view title);

 private:
  // program_writer.cpp: frames, steps, what was seen
  void write_frames();
  void write_grants(scenario::domain& to) const;
  void write(const lab::content& c, scenario::contents& to) const;
  scenario::alloc_frame& add_frame(u32 index, scenario::alloc_frame::beginning begins);
  void write_call(const lab::call& c, scenario::step& to) const;
  void write(const lab::memory_access& c, scenario::access& to) const;
  void write_answer(std::size_t call, scenario::step& to) const;
  void write_result(s64 result, scenario::expect& to) const;
  void write_frames_at_the_end(scenario::expect& to) const;
  /// What was read, with the names of frames where it leads to them.
  lab::word named(u64 value) const;

  // program_writer_calls.cpp: hypercalls
  void write(const lab::mmu_update& c, scenario::hypercall& to) const;
  void write(const lab::mmuext_op& c, scenario::hypercall& to) const;
  void write(const lab::mmuext_entry& e, scenario::mmuext_op::one_op& to) const;
  void write(const lab::update_va_mapping& c, scenario::hypercall& to) const;
  void write(const lab::set_gdt& c, scenario::hypercall& to) const;
  void write(const lab::update_descriptor& c, scenario::hypercall& to) const;
  void write(const lab::vm_assist& c, scenario::hypercall& to) const;
  void write(const lab::map_grant_ref& c, scenario::hypercall& to) const;
  void write(const lab::unmap_grant_ref& c, scenario::hypercall& to) const;
  void write(const lab::memory_op& c, scenario::hypercall& to) const;
  void write(const lab::iret& c, scenario::hypercall& to) const;
  void write(const lab::vcpu_op& c, scenario::hypercall& to) const;
  void write(const lab::raw_call& c, scenario::hypercall& to) const;
  void write(const lab::multicall& c, scenario::hypercall& to) const;

  const lab::program& program_;
  const seen* real_;
  scenario::scenario to_;
};

/// "f3", "x1" for an adopted one, "foreign0", "window_l1".
std::string frame_name(const lab::program& p, u32 index);

}  // namespace pvmmu::conform
