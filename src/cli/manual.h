// docs/cli.md: every command and option, from the tables of the commands.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace kedge::cli {

// Markdown. `common`: the options of every command that opens an index.
std::string manual(const std::vector<Command>& commands, const std::vector<Option>& common);

}  // namespace kedge::cli
