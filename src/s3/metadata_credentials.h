// Credentials that the place where a program runs hands out: containers (ECS, EKS Pod Identity) and
// EC2's instance metadata, version 2 only.
#pragma once

#include <optional>
#include <string>

#include "s3/credential_source.h"

namespace kedge {

inline constexpr Duration kContainerTotal = std::chrono::seconds(5);
// For all requests together: where there is no such service nobody answers.
inline constexpr Duration kInstanceTotal = std::chrono::seconds(1);

// Whether AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI is set.
bool has_container_credentials(const AwsEnvironment& environment);
// kInvalid: a full URI that is neither https nor on this machine or the addresses of ECS and EKS,
// because the request carries a secret.
Result<Credentials> container_credentials(const AwsContext& context, Deadline deadline);

struct InstanceMetadata {
  std::string endpoint;  // ec2_metadata_service_endpoint of the profile; the environment's wins
};
// kNotFound: nobody answered there, or it is turned off (AWS_EC2_METADATA_DISABLED); the message
// says which. Other errors are of a service that did answer.
Result<Credentials> instance_credentials(const AwsContext& context,
                                         const InstanceMetadata& metadata, Deadline deadline);

}  // namespace kedge
