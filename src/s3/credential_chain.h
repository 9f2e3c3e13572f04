// Credentials as every AWS tool finds them, in the order of botocore: environment; a profile's
// role_arn (with source_profile or credential_source and an MFA prompt); web identity
// (AWS_WEB_IDENTITY_TOKEN_FILE, IRSA); the rest of a profile (web identity, SSO token cache, keys,
// credential_process); container (ECS, EKS Pod Identity); IMDSv2, at most 1 s and only if nothing
// else was named. A profile named in the options is asked before the environment is.
//
// Files are read again at each refresh: somebody may have logged in meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "net/http.h"
#include "s3/credentials.h"
#include "s3/s3_options.h"

namespace kedge {

// What the chain may look at; tests give their own.
struct AwsEnvironment {
  std::function<std::string(const std::string& name)> variable;  // "" if not set
  std::string home;                                              // of ~/.aws; "" if unknown
  // Asks the person at the terminal, for MFA; empty where there is nobody.
  std::function<Result<std::string>(std::string_view question)> prompt;
};
AwsEnvironment process_environment();

// What a profile and the environment say beside credentials; flags and configuration win over them.
// Fills what `options` leaves empty: endpoint (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's
// services section and endpoint_url, unless AWS_IGNORE_CONFIGURED_ENDPOINT_URLS), region
// (AWS_REGION, AWS_DEFAULT_REGION, profile), ca_file (AWS_CA_BUNDLE, ca_bundle), addressing
// (s3 = addressing_style), use_dualstack and use_fips (AWS_USE_DUALSTACK_ENDPOINT,
// AWS_USE_FIPS_ENDPOINT, profile). `profile` stays as it is: only one named by a person wins over
// keys in the environment. kInvalid: a profile that was named and is not there, an endpoint or
// region that cannot be, a file that cannot be parsed, by file and line.
Result<S3Options> complete_options(S3Options options, const AwsEnvironment& environment);

// `options` are complete. All references outlive the provider. `transport` must not follow a proxy
// to link-local addresses: requests to 169.254.0.0/16 and fd00:ec2::/32 are made with short
// timeouts.
Result<std::unique_ptr<CredentialProvider>> make_credential_chain(const S3Options& options,
                                                                  AwsEnvironment environment,
                                                                  HttpTransport& transport,
                                                                  Clock& clock, Log& log);

// Always the same ones.
std::unique_ptr<CredentialProvider> fixed_credentials(Credentials credentials);

}  // namespace kedge
