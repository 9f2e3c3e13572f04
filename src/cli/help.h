// Help from the tables of the commands.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/command.h"

namespace kedge::cli {

// Of the program: its commands in groups.
std::string program_help(const std::vector<Command>& commands, std::size_t width);
// Of one command; `common` are the options that it shares with others.
std::string command_help(const Command& command, const std::vector<Option>& common,
                         std::size_t width);
// Of a word that begins several commands, as "pin" does; "": none begins so.
std::string group_help(const std::string& group, const std::vector<Command>& commands,
                       std::size_t width);

// "-k, --results N", "--group object|chunk"
std::string term_of(const Option& option);
// What it does, and whether it may be repeated.
std::string meaning_of(const Option& option);
// "kedge search WORDS... [options]"
std::string usage(const Command& command);

}  // namespace kedge::cli
