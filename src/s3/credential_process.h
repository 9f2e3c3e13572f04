// credential_process of a profile: a program that prints credentials as JSON, "Version": 1.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "s3/credential_source.h"

namespace kedge {

inline constexpr Duration kProcessTotal = std::chrono::minutes(1);
inline constexpr std::size_t kMaxProcessArguments = 1024;

// Words as a POSIX shell splits them: quotes and backslashes, nothing else; there is no shell.
// kInvalid: a quote that is not closed, no word, too many.
Result<std::vector<std::string>> split_command(std::string_view command);

// Runs it with this process's environment; killed at the deadline or after kProcessTotal. kDenied:
// it failed, with the first line it wrote to standard error, or printed something else.
Result<Credentials> process_credentials(const AwsContext& context, const std::string& command,
                                        Deadline deadline);

}  // namespace kedge
