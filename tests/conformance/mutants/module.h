#pragma once
// A model as a shared module: the one that is in the tree, or a mutant of it.

#include <filesystem>

#include "tests/conformance/mutants/mutant.h"
#include "tools/conform/comparison.h"

namespace pvmmu::conform {

/// Compiles the model with one change into a module in `folder`. No mutant: as it is. Throws std::runtime_error with
/// what is wrong: the text to be changed is not there or not alone, or it does not compile.
std::filesystem::path compile_module(const mutant* m, const std::filesystem::path& folder);

/// What makes subjects of this module. Throws std::runtime_error.
subject_maker load_module(const std::filesystem::path& module);

}  // namespace pvmmu::conform
