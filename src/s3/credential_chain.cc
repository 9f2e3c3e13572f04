#include "s3/credential_chain.h"

#include <atomic>
#include <utility>

#include "base/strings.h"
#include "s3/aws_profile.h"
#include "s3/credential_source.h"
#include "s3/metadata_credentials.h"
#include "s3/profile_credentials.h"
#include "s3/refreshing_credentials.h"

namespace kedge {
namespace {

class FixedCredentials final : public CredentialProvider {
 public:
  explicit FixedCredentials(Credentials credentials) : credentials_(std::move(credentials)) {}
  Result<Credentials> get(Deadline) override { return credentials_; }
  void refused(const Credentials&) override {}

 private:
  const Credentials credentials_;
};

// Goes through the sources in their order, anew at each fetch. One fetch at a time.
class Chain {
 public:
  Chain(std::string named, AwsEnvironment environment, HttpTransport& transport, Clock& clock,
        Log& log)
      : named_(std::move(named)),
        environment_(std::move(environment)),
        transport_(transport),
        clock_(clock),
        log_(log) {}

  // Whatever went wrong with a file or an answer, for a caller who wants an object it is one of two
  // things; above all an absent file must not read as an absent object.
  Result<Credentials> fetch(Deadline deadline) {
    Result<Credentials> out = ask(deadline);
    if (out.ok() || out.code() == Code::kUnavailable || out.code() == Code::kCancelled) return out;
    return {Code::kDenied, std::move(out).error().message};
  }

 private:
  Result<Credentials> ask(Deadline deadline) {
    const AwsContext context{environment_, transport_, clock_, log_};
    const AwsProfiles profiles = KEDGE_TRY(AwsProfiles::load(environment_));
    KEDGE_TRY(check_profile(environment_, profiles, named_));
    const std::string profile = profile_name(environment_, named_);
    std::optional<Credentials> found = KEDGE_TRY(configured(context, profiles, profile, deadline));
    if (found) return said(*std::move(found));
    if (has_container_credentials(environment_)) {
      Credentials out = KEDGE_TRY(container_credentials(context, deadline));
      out.origin = "container";
      return said(std::move(out));
    }
    const AwsSection* section = profiles.profile(profile);
    const InstanceMetadata metadata{
        section == nullptr ? "" : section->get("ec2_metadata_service_endpoint")};
    Result<Credentials> out = instance_credentials(context, metadata, deadline);
    if (out.ok()) {
      instance_answered_ = true;
      return said(std::move(out).value());
    }
    if (out.code() != Code::kNotFound) return out;
    // Where it has answered before it is late today, and not absent.
    if (instance_answered_)
      return {Code::kUnavailable, str_cat("instance metadata: ", out.error().message)};
    return nothing(profiles, profile, out.error().message);
  }

  // What somebody has configured, as opposed to what the place may offer.
  Result<std::optional<Credentials>> configured(const AwsContext& context,
                                                const AwsProfiles& profiles,
                                                const std::string& profile, Deadline deadline) {
    const bool by_option = !named_.empty();
    if (!by_option) {
      std::optional<Credentials> keys = KEDGE_TRY(environment_credentials(environment_));
      if (keys) return keys;
    }
    if (!by_option && !has_assumed_role(profiles, profile)) {
      std::optional<Credentials> identity =
          KEDGE_TRY(web_identity_credentials(context, profiles, profile, deadline));
      if (identity) return identity;
    }
    return profile_credentials(context, profiles, profile, deadline);
  }

  Credentials said(Credentials credentials) {
    log_.debug(str_cat("credentials from ", credentials.origin,
                       credentials.expires ? ", until " : "",
                       credentials.expires ? to_rfc3339(*credentials.expires) : std::string()));
    return credentials;
  }

  [[nodiscard]] Error nothing(const AwsProfiles& profiles, const std::string& profile,
                              const std::string& instance) const {
    const bool there = profiles.profile(profile) != nullptr;
    const std::string environment =
        named_.empty() ? "environment (neither AWS_ACCESS_KEY_ID nor AWS_WEB_IDENTITY_TOKEN_FILE)"
                       : "environment (not asked, because a profile is named)";
    return {
        Code::kDenied,
        str_cat("no AWS credentials. Looked at: ", environment, "; profile '", printable(profile),
                "' in ", profiles.places(), there ? " (it has none)" : " (not there)",
                "; container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not "
                "set); instance metadata (",
                instance,
                "). Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile; a "
                "public bucket is read without signing (no_sign)")};
  }

  const std::string named_;
  const AwsEnvironment environment_;
  HttpTransport& transport_;
  Clock& clock_;
  Log& log_;
  std::atomic<bool> instance_answered_{false};
};

}  // namespace

std::unique_ptr<CredentialProvider> fixed_credentials(Credentials credentials) {
  return std::make_unique<FixedCredentials>(std::move(credentials));
}

Result<std::unique_ptr<CredentialProvider>> make_credential_chain(const S3Options& options,
                                                                  AwsEnvironment environment,
                                                                  HttpTransport& transport,
                                                                  Clock& clock, Log& log) {
  if (options.no_sign)
    return fixed_credentials({"", "", "", std::nullopt, "none: requests are not signed"});
  // Mistakes in files are said now; what they say is read again when it is needed.
  const AwsProfiles profiles = KEDGE_TRY(AwsProfiles::load(environment));
  KEDGE_TRY(check_profile(environment, profiles, options.profile));
  auto chain =
      std::make_shared<Chain>(options.profile, std::move(environment), transport, clock, log);
  return refreshing_credentials([chain](Deadline deadline) { return chain->fetch(deadline); },
                                clock, log);
}

}  // namespace kedge
