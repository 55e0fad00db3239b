#pragma once
// Programs of every shape that the lab can say, sense or not.

#include <random>

#include "tools/lab/program.h"

namespace pvmmu::conform {

/// The same `rng` gives the same program.
lab::program random_program(std::mt19937_64& rng);

}  // namespace pvmmu::conform
