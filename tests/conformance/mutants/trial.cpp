#include "tests/conformance/mutants/trial.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <sstream>
#include <stdexcept>

#include "tests/conformance/mutants/handles.h"
#include "tools/lab/unique_fd.h"

namespace pvmmu::conform {
namespace {

constexpr unsigned seconds_a_program = 20;

std::optional<difference> try_program(const subject_maker& make, const boot& b, std::size_t program) {
  const std::unique_ptr<subject> model = make(b.session.facts);
  const lab::program_answer& real = b.session.answers[program];
  lab::program_answer answer = model->run(b.programs[program], real);
  give_handles_of(real, b.programs[program], answer);
  return compare(real, *b.session.memory, answer, *model);
}

/// In the child: a line a program, empty where nothing differs.
[[noreturn]] void report(int output, const subject_maker& make, const boot& b,
                         std::span<const std::size_t> which) noexcept {
  std::FILE* const out = fdopen(output, "w");
  for (const std::size_t program : which) {
    alarm(seconds_a_program);
    const auto d = try_program(make, b, program);
    fmt::print(out, "{}\n", d ? fmt::format("{}\t{}\t{}", d->where, d->real, d->model) : "");
    std::fflush(out);
  }
  _exit(0);
}

std::string read_all(int input) {
  std::string text;
  std::array<char, 4096> buffer{};
  ssize_t got = 0;
  while ((got = read(input, buffer.data(), buffer.size())) > 0 || (got < 0 && errno == EINTR))
    if (got > 0) text.append(buffer.data(), static_cast<std::size_t>(got));
  return text;
}

/// What a child prints before it ends, in whichever way.
std::string report_of_child(const subject_maker& make, const boot& b, std::span<const std::size_t> which) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe for a mutant's answers");
  const lab::unique_fd read_end{ends[0]};
  lab::unique_fd write_end{ends[1]};
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no process for a mutant");
  if (child == 0) report(write_end.get(), make, b, which);
  write_end.reset();
  std::string text = read_all(read_end.get());
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
  return text;
}

std::optional<difference> parse(const std::string& line) {
  if (line.empty()) return std::nullopt;
  std::istringstream fields{line};
  difference d;
  std::getline(fields, d.where, '\t');
  std::getline(fields, d.real, '\t');
  std::getline(fields, d.model);
  return d;
}

}  // namespace

std::vector<std::optional<difference>> try_programs(const subject_maker& make, const boot& b,
                                                    std::span<const std::size_t> which) {
  std::vector<std::optional<difference>> found;
  while (found.size() < which.size()) {
    std::istringstream lines{report_of_child(make, b, which.subspan(found.size()))};
    for (std::string line; std::getline(lines, line);) found.push_back(parse(line));
    if (found.size() < which.size()) found.emplace_back();  // it crashed in this one, and another goes on behind it
  }
  return found;
}

}  // namespace pvmmu::conform
