#include "tools/timeline/recorded_steps.h"

#include "tools/command.h"
#include "tools/recording_file.h"
#include "tools/timeline/model_steps.h"
#include "tools/timeline/real_steps.h"

namespace pvmmu::tools {

std::unique_ptr<recorded_steps> recorded_steps::open(const std::string& path, bool shows_progress) {
  const auto reader = recording_reader::open(path);
  if (!reader) throw input_error(reader.error());
  if (reader->header().real()) return std::make_unique<real_steps>(path, shows_progress);
  return std::make_unique<model_steps>(path);
}

}  // namespace pvmmu::tools
