// What the process's environment says of AWS, and what that makes of options: credential_chain.h
// has the contracts.
#include <fcntl.h>
#include <pwd.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/strings.h"
#include "s3/aws_profile.h"
#include "s3/credential_chain.h"
#include "s3/endpoint.h"
#include "s3/small_file.h"
#include "store/posix_file.h"

namespace kedge {
namespace {

constexpr std::size_t kMaxTypedBytes = 256;

// Shows no letter of what is typed, for as long as it lives.
class EchoOff {
 public:
  explicit EchoOff(int terminal) : terminal_(terminal) {
    known_ = ::tcgetattr(terminal_, &before_) == 0;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (known_) ::tcsetattr(terminal_, TCSAFLUSH, &silent);
  }
  ~EchoOff() {
    if (known_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;

 private:
  int terminal_;
  bool known_ = false;
  termios before_{};
};

// At the terminal, and not where standard input comes from.
Result<std::string> ask_at_terminal(std::string_view question) {
  const UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC));
  if (!terminal.valid()) return {Code::kDenied, "there is no terminal to ask at for an MFA code"};
  const EchoOff silent(terminal.get());
  KEDGE_TRY(write_all(terminal.get(), as_bytes(question), "/dev/tty"));
  std::string typed;
  char c = 0;
  while (typed.size() < kMaxTypedBytes && ::read(terminal.get(), &c, 1) == 1 && c != '\n')
    typed += c;
  KEDGE_TRY(write_all(terminal.get(), as_bytes("\n"), "/dev/tty"));
  return typed;
}

std::string home_folder() {
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home != '\0') return home;
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found);
  return found == nullptr || found->pw_dir == nullptr ? std::string() : found->pw_dir;
}

S3Addressing addressing_of(std::string_view style) {
  if (style == "path") return S3Addressing::kPath;
  if (style == "virtual") return S3Addressing::kVirtual;
  return S3Addressing::kAuto;
}

bool switched_on(const AwsEnvironment& environment, const AwsSection& profile,
                 const std::string& variable, std::string_view key) {
  const std::string value = environment.variable(variable);
  return is_true(value.empty() ? profile.get(key) : value);
}

}  // namespace

AwsEnvironment process_environment() {
  AwsEnvironment out;
  out.variable = [](const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::string() : std::string(value);
  };
  out.home = home_folder();
  out.prompt = ask_at_terminal;
  return out;
}

Result<S3Options> complete_options(S3Options options, const AwsEnvironment& environment) {
  const AwsProfiles profiles = KEDGE_TRY(AwsProfiles::load(environment));
  // Public buckets need nobody's profile.
  if (!options.no_sign || !options.profile.empty())
    KEDGE_TRY(check_profile(environment, profiles, options.profile));
  const std::string name = profile_name(environment, options.profile);
  static const AwsSection kNone;
  const AwsSection* found = profiles.profile(name);
  const AwsSection& profile = found == nullptr ? kNone : *found;
  if (options.endpoint.empty())
    options.endpoint = configured_endpoint(environment, profiles, name, "s3");
  if (options.region.empty()) options.region = configured_region(environment, profiles, name);
  if (options.ca_file.empty()) options.ca_file = environment.variable("AWS_CA_BUNDLE");
  if (options.ca_file.empty()) options.ca_file = profile.get("ca_bundle");
  options.ca_file = expand_home(options.ca_file, environment.home);
  if (options.addressing == S3Addressing::kAuto)
    options.addressing = addressing_of(profile.get("s3.addressing_style"));
  options.use_dualstack =
      options.use_dualstack ||
      switched_on(environment, profile, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
  options.use_fips = options.use_fips || switched_on(environment, profile, "AWS_USE_FIPS_ENDPOINT",
                                                     "use_fips_endpoint");
  // Any bucket's name will do to see whether endpoint and region can be.
  S3Options place;
  place.endpoint = options.endpoint;
  place.region = options.region;
  KEDGE_TRY(resolve_endpoint(place, "bucket"));
  return options;
}

}  // namespace kedge
