#pragma once
// A directory for the files of a test, which goes when the test ends.
//
//   const scratch_directory scratch;
//   std::ofstream(scratch.path("x.rec")) << bytes;

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace pvmmu {

class scratch_directory {
 public:
  scratch_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "pvmmu-test-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no directory for the test's files");
    directory_ = name;
  }
  ~scratch_directory() { std::filesystem::remove_all(directory_); }
  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;
  std::string path(const std::string& name) const { return (directory_ / name).string(); }

 private:
  std::filesystem::path directory_;
};

}  // namespace pvmmu
