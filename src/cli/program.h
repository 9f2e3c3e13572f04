// From a command line to an exit code.
#pragma once

#include <string>
#include <vector>

#include "cli/session.h"

namespace kedge::cli {

// `words`: without the program's name.
int run_program(Runtime& runtime, std::vector<std::string> words);

}  // namespace kedge::cli
