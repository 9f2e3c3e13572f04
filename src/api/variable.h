// A variable of the process's environment: read here only, so that nothing below api/ knows of
// them.
#pragma once

#include <cstdlib>
#include <string>

namespace kedge {

// "" if it is not set.
inline std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace kedge
