// AWS Security Token Service: credentials of a role, by other credentials or by a web identity.
#pragma once

#include <string>

#include "s3/credential_source.h"

namespace kedge {

// Where STS is, and the region that it is asked in: "" for the global endpoint.
struct StsPlace {
  std::string endpoint;  // "": AWS's of the region
  std::string region;
};

struct RoleRequest {
  std::string role_arn;
  std::string session_name;  // "": "kedge-" and the time
  std::string external_id;
  int duration_seconds = 0;  // 0: the service's default
  std::string mfa_serial;
  std::string mfa_code;
};

// kDenied: the service refused, with its code and message.
Result<Credentials> assume_role(const AwsContext& context, const StsPlace& place,
                                const RoleRequest& role, const Credentials& with,
                                Deadline deadline);

Result<Credentials> assume_role_with_web_identity(const AwsContext& context, const StsPlace& place,
                                                  const RoleRequest& role,
                                                  const std::string& web_identity_token,
                                                  Deadline deadline);

}  // namespace kedge
