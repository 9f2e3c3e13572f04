// Messages to the operator, by level. A component takes a Log; tests take silent_log() or keep what
// was said.
#pragma once

#include <string_view>

namespace kedge {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Threads: any.
class Log {
 public:
  virtual ~Log() = default;
  virtual void write(LogLevel level, std::string_view message) = 0;
  void debug(std::string_view message) { write(LogLevel::kDebug, message); }
  void info(std::string_view message) { write(LogLevel::kInfo, message); }
  void warning(std::string_view message) { write(LogLevel::kWarning, message); }
  void error(std::string_view message) { write(LogLevel::kError, message); }
};

Log& silent_log();

}  // namespace kedge
