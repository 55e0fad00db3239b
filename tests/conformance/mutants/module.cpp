#include "tests/conformance/mutants/module.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tools/lab/process.h"

namespace pvmmu::conform {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream{file}.rdbuf();
  return std::move(text).str();
}

std::string mutated(const mutant& m) {
  const fs::path file = fs::path{PVMMU_SOURCE_DIR} / "hypervisor-model" / m.file;
  std::string text = text_of(file);
  const std::size_t at = text.find(m.from);
  if (at == std::string::npos)
    throw std::runtime_error(fmt::format("mutant {}: its text is no longer in {}:\n{}", m.name, file.string(), m.from));
  if (text.find(m.from, at + 1) != std::string::npos)
    throw std::runtime_error(
        fmt::format("mutant {}: its text is more than once in {}:\n{}", m.name, file.string(), m.from));
  return text.replace(at, m.from.size(), m.to);
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream words{text};
  return {std::istream_iterator<std::string>{words}, {}};
}

}  // namespace

fs::path compile_module(const mutant* m, const fs::path& folder) {
  fs::create_directories(folder);
  const fs::path module = folder / "model.so";
  std::vector<std::string> compiler = words_of(PVMMU_CXX " -std=c++23 " PVMMU_MUTANT_OPTIONS " -shared");
  for (const std::string& object : words_of(text_of(PVMMU_MUTANT_OBJECTS)))
    if (!m || !object.ends_with(fmt::format("/hypervisor-model/{}.o", m->file))) compiler.push_back(object);
  if (m) {
    const fs::path source = folder / m->file;
    std::ofstream{source} << mutated(*m);
    compiler.push_back(source.string());
  }
  for (const char* last : {"-I" PVMMU_SOURCE_DIR, "-lfmt", "-o"}) compiler.emplace_back(last);
  compiler.push_back(module.string());
  const lab::command_output output = lab::run_command(compiler);
  if (output.status != 0)
    throw std::runtime_error(fmt::format("mutant {} does not compile:\n{}", m ? m->name : "(none)", output.text));
  return module;
}

subject_maker load_module(const fs::path& module) {
  void* const handle = dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* const function = handle ? dlsym(handle, "make_subject") : nullptr;
  if (!function) throw std::runtime_error(dlerror());
  return [make = reinterpret_cast<subject* (*)(const lab::machine_facts&)>(function)](const lab::machine_facts& facts) {
    return std::unique_ptr<subject>{make(facts)};
  };
}

}  // namespace pvmmu::conform
