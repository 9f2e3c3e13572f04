// Credentials as a profile describes them, and those of a web identity in the environment.
#pragma once

#include <optional>
#include <string>

#include "s3/aws_profile.h"
#include "s3/credential_source.h"

namespace kedge {

inline constexpr std::size_t kMaxProfileChain = 16;  // roles by way of roles

// Whether the profile's credentials are those of a role that other credentials assume.
bool has_assumed_role(const AwsProfiles& profiles, const std::string& name);

// Absent: the profile says nothing of credentials, or is not there. kInvalid: a contradiction, a
// chain that comes back to itself, by profile.
Result<std::optional<Credentials>> profile_credentials(const AwsContext& context,
                                                       const AwsProfiles& profiles,
                                                       const std::string& name, Deadline deadline);

// Of AWS_ACCESS_KEY_ID and its kin; absent if there is none. kInvalid: a key without its secret.
Result<std::optional<Credentials>> environment_credentials(const AwsEnvironment& environment);

// Of AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN; absent if the first is not set.
Result<std::optional<Credentials>> web_identity_credentials(const AwsContext& context,
                                                            const AwsProfiles& profiles,
                                                            const std::string& profile,
                                                            Deadline deadline);

}  // namespace kedge
