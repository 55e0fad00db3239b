// A recording of a million calls, made here: what it costs to make, how large it is with and without images of the
// machine, and how long it takes from opening the file to any step, shown.
//
//   long_recording_bench [CALLS]

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>
#include <vector>

#include "tests/tools/long_run.h"
#include "tools/recorder/machine_recorder.h"
#include "tools/show/show_text.h"
#include "tools/timeline/timeline.h"

namespace {

using namespace pvmmu;
using namespace pvmmu::tools;
using std::chrono::steady_clock;

constexpr u64 seed = 1;
constexpr unsigned visits = 40;

double seconds_since(steady_clock::time_point begin) {
  return std::chrono::duration<double>(steady_clock::now() - begin).count();
}

double run(u64 calls, xen::server_listener_factory listens) {
  const auto begin = steady_clock::now();
  {
    long_run guest(seed, std::move(listens));
    while (guest.requests() < calls) guest.step();
  }
  return seconds_since(begin);
}

u64 bytes_without_images(const std::string& path, const std::string& other) {
  auto reader = recording_reader::open(path).value();
  auto writer = recording_writer::create_live(other).value();
  recording::record header;
  *header.mutable_header() = reader.header();
  writer.add(header);
  for (auto record = reader.next().value(); record; record = reader.next().value()) {
    if (record->has_machine_image() || record->has_image_pages()) continue;
    writer.add(*record);
    if (record->has_piece()) writer.flush();
  }
  return writer.finish().value();
}

void visit(const std::string& path, u64 calls) {
  std::mt19937_64 from(seed);
  std::vector<double> opened, there, back;
  for (unsigned i = 0; i < visits; ++i) {
    const u64 number = 2 + from() % (calls - 1);
    const auto begin = steady_clock::now();
    auto t = timeline::open(path, false);
    opened.push_back(seconds_since(begin));
    const show_request request{.path = path, .steps = std::to_string(number)};
    show_text(t, request, false, [](const std::string&) {});
    there.push_back(seconds_since(begin));
    const auto behind = steady_clock::now();
    t.go_to(number - 1);
    back.push_back(seconds_since(behind));
  }
  for (std::vector<double>* times : {&opened, &there, &back}) std::ranges::sort(*times);
  fmt::print("from nothing to a step: median {:.3f} s, worst of {} {:.3f} s (to open: median {:.3f} s)\n",
             there[visits / 2], visits, there.back(), opened[visits / 2]);
  fmt::print("then one step back: median {:.4f} s, worst {:.4f} s\n", back[visits / 2], back.back());
}

}  // namespace

int main(int argc, char** argv) {
  const u64 calls = argc > 1 ? std::strtoull(argv[1], nullptr, 0) : 1'000'000;
  std::string name = std::filesystem::temp_directory_path() / "pvmmu-XXXXXX";
  if (!mkdtemp(name.data())) return 3;
  const std::string path = name + "/long.rec";
  const double alone = run(calls, {});
  const double recorded = run(calls, [&](const xen::machine& m, const wire::hello_request& first) {
    return std::make_unique<machine_recorder>(recording_writer::create_live(path).value(), m, first,
                                              [](const std::string& error) { fmt::print("{}\n", error); });
  });
  fmt::print("{} calls: {:.1f} us each, recorded {:.1f} us\n", calls, alone / static_cast<double>(calls) * 1e6,
             recorded / static_cast<double>(calls) * 1e6);
  const auto streams = find_streams(path);
  const auto images = std::ranges::count_if(streams, &stream_begin::has_image);
  const u64 bytes = std::filesystem::file_size(path), without = bytes_without_images(path, name + "/without.rec");
  fmt::print("{:.1f} MB with {} images, {:.1f} MB without: {:.1f} bytes a call, {:.0f} bytes an image\n",
             static_cast<double>(bytes) / 1e6, images, static_cast<double>(without) / 1e6,
             static_cast<double>(without) / static_cast<double>(calls),
             static_cast<double>(bytes - std::min(bytes, without)) / static_cast<double>(std::max<s64>(images, 1)));
  visit(path, calls);
  std::filesystem::remove_all(name);
}
