#pragma once
// Random programs that go where it is hard: trees of valid tables and near misses, tables shared and linear, pins in
// any order, RW mappings of tables, frames of others, batches that fail halfway.
//
//   generator programs{seed};
//   lab::program p = programs.next();      // the same seed gives the same programs

#include <random>

#include "tools/lab/program.h"

namespace pvmmu::conform {

class generator {
 public:
  explicit generator(u64 seed) : random_(seed) {}

  lab::program next();

 private:
  u64 below(u64 n) { return random_() % n; }
  bool one_in(u64 n) { return below(n) == 0; }

  u32 frame();
  u32 slot();
  u64 flags();
  lab::word entry();
  done_arg pdone();
  u32 foreigndom();

  lab::mmu_update mmu_update();
  lab::mmuext_entry mmuext_entry();
  lab::mmuext_op mmuext_op();
  lab::update_va_mapping update_va_mapping();
  lab::set_gdt set_gdt();
  lab::simple_call simple_call();
  lab::multicall multicall();
  lab::memory_access memory_access();
  lab::call call();
  void fill(lab::program& p);

  std::mt19937_64 random_;
  u32 nr_frames_ = 0;
};

}  // namespace pvmmu::conform
