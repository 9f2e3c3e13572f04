// The two streams that a command writes to, and what is known about who reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/environment.h"
#include "kedge/result.h"

namespace kedge::cli {

struct Stream {
  bool terminal = false;
  bool redraws = false;     // a terminal on which a line can be written over
  bool colour = false;      // a terminal, and neither NO_COLOR nor TERM=dumb forbid it
  std::size_t width = 100;  // columns
  // Of tables: what is read by a program or kept in a file is not shortened.
  [[nodiscard]] std::size_t table_width() const { return terminal ? width : SIZE_MAX; }
};

// What the environment makes of a stream; `columns`: of the terminal, 0 if it does not say.
// NO_COLOR and TERM=dumb, or no TERM, forbid colours, the latter redrawing too; COLUMNS rules the
// width.
Stream make_stream(bool terminal, std::size_t columns, const Environment& environment);

// Threads: err() from any thread; the rest from the thread that runs the command.
class Console {
 public:
  Stream out_stream, err_stream;
  bool in_terminal = false;

  virtual ~Console() = default;
  // Results.
  virtual void out(std::string_view text) = 0;
  // Progress, warnings, errors.
  virtual void err(std::string_view text) = 0;
  // Everything that standard input has, at most `most` bytes. kExhausted: there is more.
  virtual Result<std::string> read_all(std::size_t most) = 0;
  // One line without its end; "" at the end of the input.
  virtual std::string read_line() = 0;
  // Whether all results were written. A full disk or a closed pipe must not look like success.
  virtual bool flush() = 0;
};

// The process's own streams.
class StandardConsole final : public Console {
 public:
  explicit StandardConsole(const Environment& environment);
  void out(std::string_view text) override;
  void err(std::string_view text) override;
  Result<std::string> read_all(std::size_t most) override;
  std::string read_line() override;
  bool flush() override;

 private:
  bool failed_ = false;
};

// ANSI sequences if `on`, else nothing.
std::string_view bold(bool on);
std::string_view dim(bool on);
std::string_view red(bool on);
std::string_view green(bool on);
std::string_view yellow(bool on);
std::string_view plain(bool on);  // ends each of them

}  // namespace kedge::cli
