// The profile files of AWS tools, ~/.aws/config and ~/.aws/credentials, as botocore reads them:
// sections of keys and values, comments on lines of their own, keys below an empty key nested by
// indentation ("s3 =", then "  addressing_style = path"). More is taken than botocore takes: a byte
// order mark, a section that comes twice.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kedge {

struct AwsEnvironment;

inline constexpr std::size_t kMaxProfileFileBytes = 1 << 20;
inline constexpr std::size_t kMaxProfileSections = 4096;
inline constexpr std::size_t kMaxProfileKeys = 1024;  // in one section

struct AwsSection {
  // By name in lower case; nested ones as "s3.addressing_style".
  std::map<std::string, std::string, std::less<>> values;

  // "" if it is not there.
  [[nodiscard]] std::string get(std::string_view key) const;
  [[nodiscard]] bool has(std::string_view key) const { return !get(key).empty(); }
};

using AwsSections = std::map<std::string, AwsSection, std::less<>>;

enum class AwsFileKind { kConfig, kCredentials };

class AwsProfiles {
 public:
  // Both files: AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, else those of the home folder.
  // Files that are not there are empty. kInvalid: by file and line.
  static Result<AwsProfiles> load(const AwsEnvironment& environment);

  // Adds one file's sections; of a key that is said twice, the later one counts.
  Status parse(std::string_view text, AwsFileKind kind, std::string_view path);

  // Null if there is none.
  [[nodiscard]] const AwsSection* profile(std::string_view name) const;
  [[nodiscard]] const AwsSection* sso_session(std::string_view name) const;
  [[nodiscard]] const AwsSection* services(std::string_view name) const;
  // For messages: "~/.aws/config and ~/.aws/credentials".
  [[nodiscard]] std::string places() const;
  [[nodiscard]] const AwsSections& profiles() const { return profiles_; }

 private:
  friend class ProfileParser;
  std::string config_path_;
  std::string credentials_path_;
  AwsSections profiles_;
  AwsSections sso_sessions_;
  AwsSections services_;
};

// `named`, else AWS_PROFILE, AWS_DEFAULT_PROFILE, "default".
std::string profile_name(const AwsEnvironment& environment, const std::string& named);
// kInvalid: a profile that was named, by option or environment, and is not there.
Status check_profile(const AwsEnvironment& environment, const AwsProfiles& profiles,
                     const std::string& named);

// The endpoint that environment or profile give for a service ("s3", "sts", "sso", "sso_oidc"), ""
// if none: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the profile's services section, its
// endpoint_url.
std::string configured_endpoint(const AwsEnvironment& environment, const AwsProfiles& profiles,
                                std::string_view profile, std::string_view service);

// AWS_REGION, AWS_DEFAULT_REGION, the profile's; "" if none says.
std::string configured_region(const AwsEnvironment& environment, const AwsProfiles& profiles,
                              std::string_view profile);

// "true" and "false" in any case; false for anything else.
bool is_true(std::string_view text);

}  // namespace kedge
