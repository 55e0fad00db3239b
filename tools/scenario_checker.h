#pragma once
// Checks of a scenario beyond its grammar, as one walk through its steps that knows which names are in scope.
// Internal to scenario_check*.cpp; others call `check_scenario` (scenario.h).

#include <google/protobuf/message.h>

#include <map>
#include <set>
#include <string>
#include <utility>

#include "proto/abi/domain_config.h"
#include "tools/scenario.h"

namespace pvmmu::tools {

inline constexpr u64 end_of_user_space = u64{1} << 47;

class scenario_checker {
 public:
  explicit scenario_checker(const scenario_file& file) : file_(file) {}
  void check();

 private:
  using message = google::protobuf::Message;

  // scenario_check.cpp: machine, domains, a kernel's own operations
  void check_machine();
  void check_domain(const scenario::domain& d) const;
  void check_step(const scenario::step& s);
  void check_preempted_checks(const scenario::step& s) const;
  void check_kernel_step(const scenario::step& s);
  void check_during(const scenario::step& s, const scenario::during& d);
  void check_mm_step(const scenario::step& s);
  void check_new_mm(const message& m, std::string_view field, const std::string& mm);
  void check_exit_mmap(const scenario::exit_mmap& e);
  void end_mm(const std::string& name);
  void check_mm(const message& m, const std::string& mm, bool or_loaded) const;

  // scenario_check_memory.cpp: a process's memory
  void check_memory_step(const scenario::step& s);
  void check_create_file(const scenario::create_file& f);
  void check_mmap(const scenario::mmap& m) const;
  void check_mremap(const scenario::mremap& r) const;
  void check_range(const message& m, std::string_view field, u64 va, u64 bytes, std::string_view size = "bytes") const;
  void check_word_at(const message& m, u64 va) const;
  template <class Region>
  void check_region(const Region& r) const;
  template <class Regions>
  void check_two_regions(const Regions& r) const;

  // scenario_check_kernel_memory.cpp: the kernel's own memory
  void check_kernel_memory_step(const scenario::step& s) const;

  // scenario_check_exec.cpp: programs
  void check_exec(const scenario::exec& e);
  void check_image(const scenario::image& i) const;
  void check_image_area(const scenario::image_area& a) const;

  // scenario_check_calls.cpp: accesses, hypercalls, expectations
  void check_access(const scenario::access& a) const;
  void check_hypercall(const scenario::hypercall& h) const;
  void check_request(const scenario::mmu_update::update_request& r) const;
  void check_op(const scenario::mmuext_op::one_op& op) const;
  void check_update_va_mapping(const scenario::update_va_mapping& u) const;
  void check_multicall(const scenario::multicall& m) const;
  void check_memory_op(const scenario::memory_op& m) const;
  void check_raw(const scenario::raw& r) const;
  void check_expect(const scenario::step& s, const scenario::expect& e) const;
  void check_expected_calls(const scenario::expect& e) const;
  void check_expected_frame(const scenario::frame_state& f) const;

  // scenario_check_words.cpp: frames, addresses, entries, words
  void check_alloc_frame(const scenario::alloc_frame& a);
  void check_contents(const scenario::contents& c) const;
  void check_frame(const scenario::frame& f) const;
  void check_frame_name(const scenario::frame& f) const;
  void check_table(const scenario::table_of& t) const;
  void check_entry(const scenario::entry& e) const;
  void check_address(const scenario::address& a) const;
  void check_pte(const scenario::pte& p) const;
  void check_word(const scenario::word& w) const;

  // both
  void check_enums(const message& m) const;
  void need(bool there, const message& m, std::string_view what) const;
  void in_range(const message& m, std::string_view field, u64 value, u64 least, u64 most) const;
  u64 domain_pages() const;

  const scenario_file& file_;
  u64 machine_frames_ = machine_config{}.frames;
  const scenario::domain* domain_ = nullptr;  ///< of the step being checked
  u32 domid_ = 0;
  u32 vcpu_ = 0;
  std::set<std::pair<u32, std::string>> mms_;                       ///< {domain, name}
  std::map<std::pair<u32, u32>, std::string> loaded_;               ///< {domain, vcpu} → mm
  std::set<std::pair<u32, std::string>> files_;                     ///< {domain, name}
  std::set<u32> suspended_;                                         ///< domains
  std::map<std::string, scenario::alloc_frame::beginning> frames_;  ///< of the steps so far
  bool forward_ = false;                                            ///< names of frames that are taken later may occur
  std::set<std::string> all_frames_;
};

}  // namespace pvmmu::tools
