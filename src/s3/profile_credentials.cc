#include "s3/profile_credentials.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/strings.h"
#include "s3/credential_answer.h"
#include "s3/credential_process.h"
#include "s3/metadata_credentials.h"
#include "s3/small_file.h"
#include "s3/sso.h"
#include "s3/sts.h"

namespace kedge {
namespace {

using Found = Result<std::optional<Credentials>>;

std::string quoted(std::string_view profile) {
  return str_cat("profile '", printable(profile), "'");
}

// An error of a source, with the profile that named it.
Error of_profile(std::string_view profile, const Error& error) {
  return {error.code, str_cat(quoted(profile), ": ", error.message)};
}

Found as_found(Result<Credentials> credentials, std::string_view profile,
               std::string_view by = {}) {
  if (!credentials.ok()) return of_profile(profile, credentials.error());
  credentials->origin = str_cat(quoted(profile), by.empty() ? "" : ", ", by);
  return std::optional<Credentials>(std::move(credentials).value());
}

Result<std::string> read_token(const AwsEnvironment& environment, std::string_view path) {
  std::string token =
      KEDGE_TRY(read_small_file(expand_home(path, environment.home), kMaxTokenBytes));
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' '))
    token.pop_back();
  if (token.empty())
    return {Code::kInvalid, str_cat("web identity token file '", printable(path), "' is empty")};
  return token;
}

// One walk from a profile to credentials. The profiles on the way are kept, to see a loop.
class ProfileWalk {
 public:
  ProfileWalk(const AwsContext& context, const AwsProfiles& profiles, Deadline deadline)
      : context_(context), profiles_(profiles), deadline_(deadline) {}

  Found find(const std::string& name) {
    const AwsSection* section = profiles_.profile(name);
    if (section == nullptr) return std::optional<Credentials>();
    way_.push_back(name);
    if (has_assumed_role(profiles_, name)) return assumed_role(name, *section);
    return own(name, *section);
  }

 private:
  // What a profile has without another one.
  Found own(const std::string& name, const AwsSection& section) {
    if (section.has("web_identity_token_file")) return web_identity(name, section);
    if (section.has("sso_session") || section.has("sso_start_url")) return sso(name, section);
    if (section.has("aws_access_key_id") || section.has("aws_secret_access_key"))
      return keys(name, section);
    if (section.has("credential_process")) {
      return as_found(process_credentials(context_, section.get("credential_process"), deadline_),
                      name, "credential_process");
    }
    if (section.has("login_session"))
      return of_profile(name, {Code::kUnsupported,
                               "login_session is not supported: use sso_session, or "
                               "credential_process = aws configure export-credentials"});
    return std::optional<Credentials>();
  }

  Found keys(const std::string& name, const AwsSection& section) {
    Credentials out;
    out.access_key_id = section.get("aws_access_key_id");
    out.secret_access_key = section.get("aws_secret_access_key");
    out.session_token = section.get("aws_session_token");
    for (const auto& [key, value] : {std::pair("aws_access_key_id", &out.access_key_id),
                                     std::pair("aws_secret_access_key", &out.secret_access_key)})
      if (value->empty())
        return of_profile(name, {Code::kInvalid, str_cat("has no ", key, " beside the other one")});
    Result<Credentials> checked = checked_credentials(std::move(out), "keys");
    if (!checked.ok()) return of_profile(name, {Code::kInvalid, checked.error().message});
    return as_found(std::move(checked), name);
  }

  [[nodiscard]] StsPlace sts_place(const std::string& name) const {
    const std::string& first = way_.front();
    std::string region = configured_region(context_.environment, profiles_, name);
    if (region.empty()) region = configured_region(context_.environment, profiles_, first);
    return {configured_endpoint(context_.environment, profiles_, name, "sts"), std::move(region)};
  }

  static Result<RoleRequest> role_of(const AwsSection& section) {
    RoleRequest role;
    role.role_arn = section.get("role_arn");
    role.session_name = section.get("role_session_name");
    role.external_id = section.get("external_id");
    role.mfa_serial = section.get("mfa_serial");
    const std::string duration = section.get("duration_seconds");
    if (duration.empty()) return role;
    const char* end = duration.data() + duration.size();
    const auto read = std::from_chars(duration.data(), end, role.duration_seconds);
    if (read.ec != std::errc() || read.ptr != end || role.duration_seconds <= 0)
      return {Code::kInvalid,
              str_cat("duration_seconds '", printable(duration), "' is not a number of seconds")};
    return role;
  }

  Found web_identity(const std::string& name, const AwsSection& section) {
    if (!section.has("role_arn"))
      return of_profile(name, {Code::kInvalid, "web_identity_token_file without role_arn"});
    Result<RoleRequest> role = role_of(section);
    if (!role.ok()) return of_profile(name, role.error());
    role->mfa_serial.clear();
    const Result<std::string> token =
        read_token(context_.environment, section.get("web_identity_token_file"));
    if (!token.ok()) return of_profile(name, token.error());
    return as_found(
        assume_role_with_web_identity(context_, sts_place(name), *role, *token, deadline_), name,
        "web identity");
  }

  Found sso(const std::string& name, const AwsSection& section) {
    SsoRequest request;
    request.session = section.get("sso_session");
    const AwsSection* session = &section;
    if (!request.session.empty()) {
      session = profiles_.sso_session(request.session);
      if (session == nullptr)
        return of_profile(
            name, {Code::kInvalid, str_cat("there is no [sso-session ", printable(request.session),
                                           "] in ", profiles_.places())});
    }
    request.start_url = session->get("sso_start_url");
    request.region = session->get("sso_region");
    request.account_id = section.get("sso_account_id");
    request.role_name = section.get("sso_role_name");
    for (const auto& [key, value] :
         {std::pair("sso_start_url", &request.start_url), std::pair("sso_region", &request.region),
          std::pair("sso_account_id", &request.account_id),
          std::pair("sso_role_name", &request.role_name)})
      if (value->empty()) return of_profile(name, {Code::kInvalid, str_cat("SSO without ", key)});
    request.portal_endpoint = configured_endpoint(context_.environment, profiles_, name, "sso");
    request.oidc_endpoint = configured_endpoint(context_.environment, profiles_, name, "sso_oidc");
    request.login_command = str_cat("aws sso login --profile ", name);
    return as_found(sso_credentials(context_, request, deadline_), name, "SSO");
  }

  Found assumed_role(const std::string& name, const AwsSection& section) {
    const std::string source_profile = section.get("source_profile");
    const std::string source = section.get("credential_source");
    if (source_profile.empty() == source.empty())
      return of_profile(
          name, {Code::kInvalid, source.empty()
                                     ? "role_arn needs source_profile or credential_source"
                                     : "role_arn with both source_profile and credential_source"});
    Result<RoleRequest> role = role_of(section);
    if (!role.ok()) return of_profile(name, role.error());
    const Result<Credentials> with = source.empty() ? of_source_profile(name, source_profile)
                                                    : of_credential_source(name, source);
    if (!with.ok()) return with.error();
    if (!role->mfa_serial.empty()) {
      Result<std::string> code = ask_mfa(role->mfa_serial);
      if (!code.ok()) return of_profile(name, code.error());
      role->mfa_code = std::move(code).value();
    }
    return as_found(assume_role(context_, sts_place(name), *role, *with, deadline_), name,
                    str_cat("role ", printable(role->role_arn)));
  }

  Result<Credentials> of_source_profile(const std::string& name, const std::string& source) {
    const AwsSection* section = profiles_.profile(source);
    if (section == nullptr)
      return of_profile(name, {Code::kInvalid, str_cat("source_profile '", printable(source),
                                                       "' is not in ", profiles_.places())});
    // Keys of a profile serve as a source before its own role does: a profile may be its own
    // source.
    Found found = std::optional<Credentials>();
    if (section->has("aws_access_key_id") && section->has("aws_secret_access_key")) {
      found = keys(source, *section);
    } else if (std::ranges::find(way_, source) != way_.end()) {
      return of_profile(name, {Code::kInvalid, str_cat("source_profile '", printable(source),
                                                       "' leads back to itself")});
    } else if (way_.size() >= kMaxProfileChain) {
      return of_profile(name, {Code::kInvalid,
                               str_cat("a chain of over ", kMaxProfileChain, " source_profiles")});
    } else {
      found = find(source);
    }
    if (!found.ok()) return found.error();
    if (!found->has_value())
      return of_profile(name, {Code::kInvalid, str_cat("source_profile '", printable(source),
                                                       "' has no credentials")});
    return **found;
  }

  Result<Credentials> of_credential_source(const std::string& name, const std::string& source) {
    Result<Credentials> out = Error{
        Code::kInvalid, str_cat("credential_source '", printable(source),
                                "' is none of Environment, Ec2InstanceMetadata, EcsContainer")};
    if (source == "Environment") {
      Found found = environment_credentials(context_.environment);
      if (!found.ok()) {
        out = found.error();
      } else if (found->has_value()) {
        out = **found;
      } else {
        out = Error{Code::kDenied, "credential_source Environment: AWS_ACCESS_KEY_ID is not set"};
      }
    } else if (source == "EcsContainer") {
      out = Error{Code::kDenied, "credential_source EcsContainer: not in such a container"};
      if (has_container_credentials(context_.environment))
        out = container_credentials(context_, deadline_);
    } else if (source == "Ec2InstanceMetadata") {
      const AwsSection* section = profiles_.profile(name);
      out = instance_credentials(context_, {section->get("ec2_metadata_service_endpoint")},
                                 deadline_);
      if (!out.ok() && out.code() == Code::kNotFound)
        out = Error{Code::kUnavailable,
                    str_cat("credential_source Ec2InstanceMetadata: ", out.error().message)};
    }
    if (!out.ok()) return of_profile(name, out.error());
    return out;
  }

  Result<std::string> ask_mfa(const std::string& serial) {
    if (!context_.environment.prompt)
      return {Code::kDenied, str_cat("MFA device ", printable(serial),
                                     " is needed, and there is nobody to ask for its code")};
    std::string code =
        KEDGE_TRY(context_.environment.prompt(str_cat("MFA code of ", printable(serial), ": ")));
    const bool good = !code.empty() && code.size() <= 16 &&
                      std::ranges::all_of(code, [](char c) { return c >= '0' && c <= '9'; });
    if (!good) return {Code::kDenied, "what was typed is not an MFA code"};
    return code;
  }

  const AwsContext& context_;
  const AwsProfiles& profiles_;
  Deadline deadline_;
  std::vector<std::string> way_;
};

}  // namespace

bool has_assumed_role(const AwsProfiles& profiles, const std::string& name) {
  const AwsSection* section = profiles.profile(name);
  return section != nullptr && section->has("role_arn") && !section->has("web_identity_token_file");
}

Found profile_credentials(const AwsContext& context, const AwsProfiles& profiles,
                          const std::string& name, Deadline deadline) {
  return ProfileWalk(context, profiles, deadline).find(name);
}

Found environment_credentials(const AwsEnvironment& environment) {
  Credentials out;
  out.access_key_id = environment.variable("AWS_ACCESS_KEY_ID");
  out.secret_access_key = environment.variable("AWS_SECRET_ACCESS_KEY");
  out.session_token = environment.variable("AWS_SESSION_TOKEN");
  if (out.session_token.empty()) out.session_token = environment.variable("AWS_SECURITY_TOKEN");
  out.origin = "environment";
  if (out.access_key_id.empty() && out.secret_access_key.empty())
    return std::optional<Credentials>();
  if (out.access_key_id.empty() || out.secret_access_key.empty())
    return {Code::kInvalid,
            str_cat("environment: AWS_",
                    out.access_key_id.empty() ? "ACCESS_KEY_ID" : "SECRET_ACCESS_KEY",
                    " is not set, but the other one is")};
  const std::string expires = environment.variable("AWS_CREDENTIAL_EXPIRATION");
  if (!expires.empty()) {
    const Result<Timestamp> time = parse_expiry(expires, "AWS_CREDENTIAL_EXPIRATION");
    if (!time.ok()) return {Code::kInvalid, time.error().message};
    out.expires = *time;
  }
  Result<Credentials> checked = checked_credentials(std::move(out), "environment");
  if (!checked.ok()) return {Code::kInvalid, checked.error().message};
  return std::optional<Credentials>(std::move(checked).value());
}

Found web_identity_credentials(const AwsContext& context, const AwsProfiles& profiles,
                               const std::string& profile, Deadline deadline) {
  const AwsEnvironment& environment = context.environment;
  const std::string path = environment.variable("AWS_WEB_IDENTITY_TOKEN_FILE");
  if (path.empty()) return std::optional<Credentials>();
  RoleRequest role;
  role.role_arn = environment.variable("AWS_ROLE_ARN");
  role.session_name = environment.variable("AWS_ROLE_SESSION_NAME");
  if (role.role_arn.empty())
    return {Code::kInvalid, "AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not"};
  const std::string token = KEDGE_TRY(read_token(environment, path));
  const StsPlace place = {configured_endpoint(environment, profiles, profile, "sts"),
                          configured_region(environment, profiles, profile)};
  Credentials out = KEDGE_TRY(assume_role_with_web_identity(context, place, role, token, deadline));
  out.origin = str_cat("web identity, role ", printable(role.role_arn));
  return std::optional<Credentials>(std::move(out));
}

}  // namespace kedge
