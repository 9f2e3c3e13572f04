// Scripts that make a shell complete the words of `kedge`, from the tables of the commands.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace kedge::cli {

// `commands`: with all the options that each takes. The scripts call no program: completing a word
// opens no index.
std::string bash_completion(const std::vector<Command>& commands);
std::string zsh_completion(const std::vector<Command>& commands);
std::string fish_completion(const std::vector<Command>& commands);

}  // namespace kedge::cli
