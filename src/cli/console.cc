#include "cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "cli/units.h"

namespace kedge::cli {
namespace {

constexpr std::size_t kNarrowestTerminal = 40, kWidestTerminal = 400;

Stream describe(int descriptor, const Environment& environment) {
  const bool terminal = ::isatty(descriptor) == 1;
  winsize size{};
  const bool known = terminal && ::ioctl(descriptor, TIOCGWINSZ, &size) == 0;
  return make_stream(terminal, known ? size.ws_col : 0, environment);
}

std::string_view sequence(bool on, std::string_view text) { return on ? text : ""; }

}  // namespace

Stream make_stream(bool terminal, std::size_t columns, const Environment& environment) {
  Stream stream;
  stream.terminal = terminal;
  stream.redraws = terminal && environment.variable("TERM").value_or("dumb") != "dumb";
  stream.colour = stream.redraws && environment.variable("NO_COLOR").value_or("").empty();
  if (columns != 0) stream.width = columns;
  const Result<std::uint64_t> wanted =
      parse_number(environment.variable("COLUMNS").value_or(""), kWidestTerminal);
  if (wanted.ok() && *wanted != 0) stream.width = *wanted;
  stream.width = std::clamp(stream.width, kNarrowestTerminal, kWidestTerminal);
  return stream;
}

StandardConsole::StandardConsole(const Environment& environment) {
  out_stream = describe(STDOUT_FILENO, environment);
  err_stream = describe(STDERR_FILENO, environment);
  in_terminal = ::isatty(STDIN_FILENO) == 1;
}

void StandardConsole::out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) failed_ = true;
}

void StandardConsole::err(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

Result<std::string> StandardConsole::read_all(std::size_t most) {
  std::string text;
  std::array<char, 65536> block{};
  while (const std::size_t size = std::fread(block.data(), 1, block.size(), stdin)) {
    text.append(block.data(), size);
    if (text.size() > most)
      return {Code::kExhausted, "standard input has more than " + format_bytes(most)};
  }
  return text;
}

std::string StandardConsole::read_line() {
  std::string line;
  for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar())
    line += static_cast<char>(c);
  return line;
}

bool StandardConsole::flush() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) failed_ = true;
  return !failed_;
}

std::string_view bold(bool on) { return sequence(on, "\x1b[1m"); }
std::string_view dim(bool on) { return sequence(on, "\x1b[2m"); }
std::string_view red(bool on) { return sequence(on, "\x1b[31m"); }
std::string_view green(bool on) { return sequence(on, "\x1b[32m"); }
std::string_view yellow(bool on) { return sequence(on, "\x1b[33m"); }
std::string_view plain(bool on) { return sequence(on, "\x1b[0m"); }

}  // namespace kedge::cli
