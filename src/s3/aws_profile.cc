#include "s3/aws_profile.h"

#include <algorithm>

#include "base/allocation.h"
#include "base/strings.h"
#include "s3/credential_chain.h"
#include "s3/small_file.h"

namespace kedge {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return out;
}

std::string_view unquoted(std::string_view name) {
  const bool quoted = name.size() >= 2 && (name.front() == '"' || name.front() == '\'') &&
                      name.front() == name.back();
  return quoted ? name.substr(1, name.size() - 2) : name;
}

const AwsSection* find(const AwsSections& sections, std::string_view name) {
  const auto found = sections.find(name);
  return found == sections.end() ? nullptr : &found->second;
}

// The file that a variable names, else the one in the home folder; "" if neither is known.
std::string file_path(const AwsEnvironment& environment, const char* variable,
                      std::string_view name) {
  const std::string given = environment.variable(variable);
  if (!given.empty()) return expand_home(given, environment.home);
  return environment.home.empty() ? std::string() : str_cat(environment.home, "/.aws/", name);
}

}  // namespace

// Reads one file, line by line.
class ProfileParser {
 public:
  ProfileParser(AwsFileKind kind, std::string_view path, AwsProfiles& into)
      : kind_(kind), path_(path), into_(into) {}

  Status line(std::string_view line) {
    ++number_;
    if (line.find('\0') != std::string_view::npos) return refuse("has a NUL byte");
    std::size_t indent = 0;
    while (indent < line.size() && is_blank(line[indent])) ++indent;
    const std::string_view text = trimmed(line);
    if (text.empty() || text.front() == '#' || text.front() == ';') return {};
    if (in_section_ && has_key_ && indent > key_indent_) return below_key(text);
    if (text.front() == '[') return header(text);
    key_indent_ = indent;
    return assignment(text);
  }

 private:
  [[nodiscard]] Status refuse(std::string_view reason) const {
    return {Code::kInvalid, str_cat(printable(path_), ", line ", number_, ": ", reason)};
  }

  Status header(std::string_view text) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return refuse("'[' without ']'");
    const std::string_view after = trimmed(text.substr(end + 1));
    if (!after.empty() && after.front() != '#' && after.front() != ';')
      return refuse("something follows ']'");
    in_section_ = true;
    has_key_ = false;
    section_ = nullptr;
    const std::string_view title = trimmed(text.substr(1, end - 1));
    if (title.empty()) return refuse("a section without a name");
    if (kind_ == AwsFileKind::kCredentials) return open(into_.profiles_, title);
    if (title == "default") return open(into_.profiles_, title);
    const std::size_t blank = std::min(title.find_first_of(" \t"), title.size());
    const std::string_view word = title.substr(0, blank);
    const std::string_view name = unquoted(trimmed(title.substr(blank)));
    // Sections of other kinds (plugins) are somebody else's.
    if (name.empty()) return {};
    if (word == "profile") return open(into_.profiles_, name);
    if (word == "sso-session") return open(into_.sso_sessions_, name);
    if (word == "services") return open(into_.services_, name);
    return {};
  }

  Status open(AwsSections& sections, std::string_view name) {
    if (sections.size() >= kMaxProfileSections && find(sections, name) == nullptr)
      return refuse(str_cat("over ", kMaxProfileSections, " sections"));
    section_ = &sections[std::string(name)];
    return {};
  }

  // "key = value" or "key : value", whichever sign comes first.
  Status assignment(std::string_view text) {
    if (!in_section_) return refuse("a key before the first section");
    const std::size_t sign = text.find_first_of("=:");
    if (sign == std::string_view::npos) return refuse("neither a section nor key = value");
    key_ = lower(trimmed(text.substr(0, sign)));
    if (key_.empty()) return refuse("a value without a key");
    has_key_ = true;
    const std::string_view value = trimmed(text.substr(sign + 1));
    nests_ = value.empty();
    return put(key_, value, false);
  }

  // A line that is indented deeper than the key above it: nested in an empty one, else more of its
  // value.
  Status below_key(std::string_view text) {
    if (!nests_) return put(key_, text, true);
    const std::size_t sign = text.find('=');
    if (sign == std::string_view::npos) return refuse(str_cat("no '=' below '", key_, "'"));
    return put(str_cat(key_, ".", lower(trimmed(text.substr(0, sign)))),
               trimmed(text.substr(sign + 1)), false);
  }

  Status put(const std::string& key, std::string_view value, bool append) {
    if (section_ == nullptr) return {};
    auto& values = section_->values;
    if (values.size() >= kMaxProfileKeys && values.find(key) == values.end())
      return refuse(str_cat("over ", kMaxProfileKeys, " keys in a section"));
    std::string& slot = values[key];
    slot = append ? str_cat(slot, "\n", value) : std::string(value);
    return {};
  }

  AwsFileKind kind_;
  std::string_view path_;
  AwsProfiles& into_;
  std::size_t number_ = 0;
  bool in_section_ = false;
  AwsSection* section_ = nullptr;  // null: nobody reads it
  bool has_key_ = false;
  std::string key_;
  std::size_t key_indent_ = 0;
  bool nests_ = false;
};

std::string AwsSection::get(std::string_view key) const {
  const auto found = values.find(key);
  return found == values.end() ? std::string() : found->second;
}

Status AwsProfiles::parse(std::string_view text, AwsFileKind kind, std::string_view path) try {
  (kind == AwsFileKind::kConfig ? config_path_ : credentials_path_) = path;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  ProfileParser parser(kind, path, *this);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    KEDGE_TRY(parser.line(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
} catch (...) {
  return memory_error(path);
}

Result<AwsProfiles> AwsProfiles::load(const AwsEnvironment& environment) {
  AwsProfiles out;
  const struct {
    AwsFileKind kind;
    std::string path;
  } files[] = {
      {AwsFileKind::kConfig, file_path(environment, "AWS_CONFIG_FILE", "config")},
      {AwsFileKind::kCredentials,
       file_path(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials")},
  };
  for (const auto& file : files) {
    if (file.path.empty()) continue;
    Result<std::string> text = read_small_file(file.path, kMaxProfileFileBytes);
    if (!text.ok() && text.code() != Code::kNotFound)
      return {Code::kInvalid, std::move(text).error().message};
    KEDGE_TRY(out.parse(text.ok() ? *text : std::string(), file.kind, file.path));
  }
  return out;
}

const AwsSection* AwsProfiles::profile(std::string_view name) const {
  return find(profiles_, name);
}
const AwsSection* AwsProfiles::sso_session(std::string_view name) const {
  return find(sso_sessions_, name);
}
const AwsSection* AwsProfiles::services(std::string_view name) const {
  return find(services_, name);
}

std::string AwsProfiles::places() const {
  if (config_path_.empty() && credentials_path_.empty()) return "no files: no home folder is known";
  return str_cat(printable(config_path_), " and ", printable(credentials_path_));
}

std::string profile_name(const AwsEnvironment& environment, const std::string& named) {
  if (!named.empty()) return named;
  for (const char* variable : {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}) {
    std::string value = environment.variable(variable);
    if (!value.empty()) return value;
  }
  return "default";
}

Status check_profile(const AwsEnvironment& environment, const AwsProfiles& profiles,
                     const std::string& named) {
  const std::string name = profile_name(environment, named);
  const bool by_default = named.empty() && environment.variable("AWS_PROFILE").empty() &&
                          environment.variable("AWS_DEFAULT_PROFILE").empty();
  if (by_default || profiles.profile(name) != nullptr) return {};
  return {Code::kInvalid,
          str_cat("there is no profile '", printable(name), "' in ", profiles.places())};
}

std::string configured_endpoint(const AwsEnvironment& environment, const AwsProfiles& profiles,
                                std::string_view profile, std::string_view service) {
  const AwsSection* section = profiles.profile(profile);
  const bool ignored =
      is_true(environment.variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) ||
      (section != nullptr && is_true(section->get("ignore_configured_endpoint_urls")));
  if (ignored) return {};
  for (const std::string& name :
       {str_cat("AWS_ENDPOINT_URL_", upper(service)), std::string("AWS_ENDPOINT_URL")}) {
    std::string value = environment.variable(name);
    if (!value.empty()) return value;
  }
  if (section == nullptr) return {};
  const AwsSection* services = profiles.services(section->get("services"));
  if (services != nullptr) {
    std::string value = services->get(str_cat(service, ".endpoint_url"));
    if (!value.empty()) return value;
  }
  return section->get("endpoint_url");
}

std::string configured_region(const AwsEnvironment& environment, const AwsProfiles& profiles,
                              std::string_view profile) {
  for (const char* variable : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    std::string value = environment.variable(variable);
    if (!value.empty()) return value;
  }
  const AwsSection* section = profiles.profile(profile);
  return section == nullptr ? std::string() : section->get("region");
}

bool is_true(std::string_view text) { return lower(text) == "true"; }

}  // namespace kedge
