#pragma once
// Random programs that go where it is hard: trees of valid tables and near misses, tables shared and linear, pins in
// any order, RW mappings of tables, frames of others, batches that fail halfway, stores into tables.
//
//   generator programs{seed};
//   lab::program p = programs.next();      // the same seed gives the same programs
//
// How a program is made: generator_program.h.

#include <random>

#include "tools/lab/program.h"

namespace pvmmu::conform {

class generator {
 public:
  explicit generator(u64 seed) : random_(seed) {}

  lab::program next();

 private:
  std::mt19937_64 random_;
};

}  // namespace pvmmu::conform
