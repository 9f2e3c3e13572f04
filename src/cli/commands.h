// Every command of the program, in the order of the help. Each function owns the values that its
// options set.
#pragma once

#include <vector>

#include "cli/command.h"

namespace kedge::cli {

Command sync_command();
Command search_command();
Command similar_command();
Command get_command();
Command status_command();
Command verify_command();
Command warm_command();
Command gc_command();
Command history_command();
Command rollback_command();
Command pin_add_command();
Command pin_list_command();
Command pin_remove_command();
Command source_list_command();
Command source_remove_command();
Command drop_command();
Command import_command();
Command compact_command();
Command bench_ann_command();
Command doctor_command();
Command completion_command();
Command help_command();
Command version_command();

std::vector<Command> all_commands();

}  // namespace kedge::cli
