// AWS IAM Identity Center (SSO): the token that "aws sso login" left in ~/.aws/sso/cache, refreshed
// where it can be, and the credentials of a role that it buys.
#pragma once

#include <string>

#include "s3/credential_source.h"

namespace kedge {

struct SsoRequest {
  std::string session;  // name of the sso-session; "" in profiles of the older form
  std::string start_url;
  std::string region;
  std::string account_id;
  std::string role_name;
  std::string portal_endpoint;  // "": AWS's of the region
  std::string oidc_endpoint;
  std::string login_command;  // for messages: "aws sso login --profile work"
};

inline constexpr Duration kSsoTokenRefresh = std::chrono::minutes(15);  // before its end

// kDenied: no token or an ended one, with the command to run; or the portal refused.
Result<Credentials> sso_credentials(const AwsContext& context, const SsoRequest& request,
                                    Deadline deadline);

// The file of the token: the SHA-1 of the session's name, or of the start URL.
std::string sso_cache_path(const std::string& home, const SsoRequest& request);

}  // namespace kedge
