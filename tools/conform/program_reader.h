#pragma once
// From a scenario to the lab's program. Internal to parse_program (program_text.h).

#include <map>
#include <string>

#include "tools/conform/named_program.h"
#include "tools/scenario.h"

namespace pvmmu::conform {

class program_reader {
 public:
  explicit program_reader(const tools::scenario_file& file) : file_(file) {}
  /// Throws tools::input_error for what a conformance program cannot say.
  named_program read();

 private:
  using message = google::protobuf::Message;

  // program_reader.cpp: the program and its steps
  void read_domains() const;
  void read_frames();
  void read_contents();
  void read_step(const scenario::step& s);
  void map_frame(const scenario::step& s);
  void add_call(const scenario::step& s, lab::call c);
  lab::memory_access access(const scenario::access& a) const;
  expectation expected(const scenario::step& s) const;
  void read_expect(const scenario::expect& e, expectation& to) const;
  expected_fault fault(const scenario::guest_fault& f) const;
  expected_frame frame_state(const scenario::frame_state& f) const;

  // program_reader_calls.cpp: hypercalls
  lab::call hypercall(const scenario::hypercall& h) const;
  lab::simple_call simple_call(const scenario::hypercall& h) const;
  lab::multicall multicall(const scenario::multicall& m) const;
  lab::mmu_update mmu_update(const scenario::mmu_update& m) const;
  lab::mmu_update_entry request(const scenario::mmu_update::update_request& r) const;
  lab::mmuext_op mmuext_op(const scenario::mmuext_op& m) const;
  lab::mmuext_entry op(const scenario::mmuext_op::one_op& o) const;
  lab::update_va_mapping update_va_mapping(const scenario::update_va_mapping& u) const;
  lab::set_gdt set_gdt(const scenario::set_gdt& g) const;
  lab::update_descriptor update_descriptor(const scenario::update_descriptor& u) const;
  lab::map_grant_ref map_grant_ref(const scenario::map_grant_ref& m) const;
  lab::unmap_grant_ref unmap_grant_ref(const scenario::unmap_grant_ref& u) const;
  lab::vcpu_op vcpu_op(const scenario::vcpu_op& o) const;
  lab::raw_call raw(const scenario::raw& r) const;
  lab::memory_op memory_op(const scenario::memory_op& m) const;
  lab::memory_reservation reservation(const scenario::memory_op::memory_reservation& r) const;
  lab::extent_words extents(const scenario::memory_op::extent_list& e) const;

  // program_reader_words.cpp: words
  struct frame_ref {
    bool named = false;
    u64 n = 0;  ///< index, or a machine frame's number
  };
  frame_ref frame(const scenario::frame& f) const;
  /// Index or name of a frame that must be the program's.
  u32 frame_index(const scenario::frame& f) const;
  lab::word maddr(const scenario::frame& f, u64 add) const;
  lab::word mfn(const scenario::frame& f) const;
  lab::word pte(const scenario::pte& p) const;
  lab::word entry(const scenario::entry& e, u64 add) const;
  lab::word address(const scenario::address& a) const;
  lab::word word(const scenario::word& w) const;
  lab::word word_base(const scenario::word& w) const;
  lab::content contents(u32 frame, const scenario::contents& c) const;

  const tools::scenario_file& file_;
  named_program to_;
  std::map<std::string, u32, std::less<>> index_;  ///< by name: number of the frame in the program
  std::map<u32, u32> window_slot_;                 ///< of the frames that are mapped: by their number
  std::vector<u32> call_index_;                    ///< of each hypercall and access in the scenario
  u32 next_window_slot_ = probe::window_slots;     ///< the lowest that was given to a mapped frame
};

}  // namespace pvmmu::conform
