#include "s3/aws_profile.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "s3/credential_testing.h"

namespace kedge {
namespace {

std::string value(const AwsProfiles& profiles, std::string_view profile, std::string_view key) {
  const AwsSection* section = profiles.profile(profile);
  return section == nullptr ? "(no profile)" : section->get(key);
}

// What the files of other AWS tools mean, case by case, as botocore reads them; but for three
// things that botocore refuses or passes over and other tools take: a byte order mark, a section
// twice, a space before "profile".
TEST(AwsProfile, FilesMeanWhatBotocoreSays) {
  const struct {
    const char* why;
    AwsFileKind kind;
    const char* text;
    const char* profile;
    const char* key;
    const char* value;
  } cases[] = {
      {"plain", AwsFileKind::kConfig, "[default]\nregion = a\n", "default", "region", "a"},
      {"no spaces", AwsFileKind::kConfig, "[default]\nregion=a", "default", "region", "a"},
      {"colon", AwsFileKind::kConfig, "[default]\nregion: a", "default", "region", "a"},
      {"the first sign", AwsFileKind::kConfig, "[default]\nk = a:b=c", "default", "k", "a:b=c"},
      {"CRLF", AwsFileKind::kConfig, "[default]\r\nregion = a\r\n", "default", "region", "a"},
      {"byte order mark", AwsFileKind::kConfig, "\xEF\xBB\xBF[default]\nk = a", "default", "k",
       "a"},
      {"comments", AwsFileKind::kConfig, "# x\n[default] ; y\n; k = b\nk = a\n", "default", "k",
       "a"},
      {"a '#' in a value", AwsFileKind::kConfig, "[default]\nk = a #b", "default", "k", "a #b"},
      {"capitals", AwsFileKind::kConfig, "[default]\nReGion = A", "default", "region", "A"},
      {"profile word", AwsFileKind::kConfig, "[profile p]\nk = a", "p", "k", "a"},
      {"quoted", AwsFileKind::kConfig, "[profile \"p q\"]\nk = a", "p q", "k", "a"},
      {"spaces", AwsFileKind::kConfig, "[ profile   p ]\nk = a", "p", "k", "a"},
      {"bare in config", AwsFileKind::kConfig, "[p]\nk = a", "p", "k", "(no profile)"},
      {"bare in credentials", AwsFileKind::kCredentials, "[p]\nk = a", "p", "k", "a"},
      {"word in credentials", AwsFileKind::kCredentials, "[profile p]\nk = a", "p", "k",
       "(no profile)"},
      {"plugins", AwsFileKind::kConfig, "[plugins]\nk = b\n[default]\nk = a", "default", "k", "a"},
      {"nested", AwsFileKind::kConfig, "[default]\ns3 =\n  addressing_style = path\nk = a\n",
       "default", "s3.addressing_style", "path"},
      {"after nested", AwsFileKind::kConfig, "[default]\ns3 =\n  addressing_style = path\nk = a\n",
       "default", "k", "a"},
      {"all indented", AwsFileKind::kConfig, "[default]\n  k = a\n  l = b\n", "default", "l", "b"},
      {"continued", AwsFileKind::kConfig, "[default]\nk = a\n   b = c\n", "default", "k",
       "a\nb = c"},
      {"twice", AwsFileKind::kConfig, "[default]\nk = a\n[default]\nk = b\nl = c\n", "default", "k",
       "b"},
      {"empty", AwsFileKind::kConfig, "[default]\nk =\n", "default", "k", ""},
      {"blank lines", AwsFileKind::kConfig, "\n\n[default]\n\nk = a\n\n", "default", "k", "a"},
      {"no newline", AwsFileKind::kConfig, "[default]", "default", "k", ""},
  };
  for (const auto& c : cases) {
    AwsProfiles profiles;
    const Status parsed = profiles.parse(c.text, c.kind, "f");
    ASSERT_TRUE(parsed.ok()) << c.why << ": " << parsed.error().message;
    EXPECT_EQ(value(profiles, c.profile, c.key), c.value) << c.why;
  }
}

// A file that cannot be parsed is named, with its line, and no value of it is shown.
TEST(AwsProfile, MistakesAreNamedByFileAndLine) {
  std::string sections;
  for (std::size_t i = 0; i <= kMaxProfileSections; ++i) sections += str_cat("[p", i, "]\n");
  std::string keys = "[p]\n";
  for (std::size_t i = 0; i <= kMaxProfileKeys; ++i) keys += str_cat("k", i, "=v\n");
  const struct {
    std::string text;
    std::string message;
  } cases[] = {
      {"k = S3CRET", "f, line 1: a key before the first section"},
      {"[default]\nS3CRET", "f, line 2: neither a section nor key = value"},
      {"[default\nk = a", "f, line 1: '[' without ']'"},
      {"[default] x", "f, line 1: something follows ']'"},
      {"\n[]", "f, line 2: a section without a name"},
      {"[default]\n= S3CRET", "f, line 2: a value without a key"},
      {"[default]\ns3 =\n  S3CRET\n", "f, line 3: no '=' below 's3'"},
      {std::string("[default]\nk = \0a", 16), "f, line 2: has a NUL byte"},
      {sections, str_cat("f, line ", kMaxProfileSections + 1, ": over 4096 sections")},
      {keys, str_cat("f, line ", kMaxProfileKeys + 2, ": over 1024 keys in a section")},
  };
  for (const auto& c : cases) {
    AwsProfiles profiles;
    const Status parsed = profiles.parse(c.text, AwsFileKind::kCredentials, "f");
    ASSERT_FALSE(parsed.ok()) << c.message;
    EXPECT_EQ(parsed.code(), Code::kInvalid);
    EXPECT_EQ(parsed.error().message, c.message);
  }
}

class AwsProfileTest : public CredentialMachine {
 protected:
  std::string load_error() {
    const auto out = AwsProfiles::load(environment());
    return out.ok() ? "" : out.error().message;
  }
  // One line of what complete_options makes of `options`.
  std::string completed(S3Options options) {
    const auto out = complete_options(std::move(options), environment());
    if (!out.ok()) return str_cat(code_name(out.code()), ": ", out.error().message);
    return str_cat(out->endpoint, " ", out->region, " ", static_cast<int>(out->addressing), " ",
                   out->ca_file, " ", out->profile);
  }
};

// Whatever lies in the place of a file, reading it ends.
TEST_F(AwsProfileTest, FilesOfAnyKindEndInAnAnswer) {
  EXPECT_EQ(load_error(), "") << "no files at all";
  variables_["AWS_CONFIG_FILE"] = "/dev/null";
  EXPECT_EQ(load_error(), "");
  variables_["AWS_CONFIG_FILE"] = home_;
  EXPECT_NE(load_error().find("not a regular file"), std::string::npos);
  variables_["AWS_CONFIG_FILE"] = "/dev/zero";
  EXPECT_NE(load_error().find("is over 1048576 bytes"), std::string::npos);
  variables_["AWS_CONFIG_FILE"] = home_ + "/fifo";
  ASSERT_EQ(::mkfifo((home_ + "/fifo").c_str(), 0600), 0);
  EXPECT_NE(load_error().find("not a regular file"), std::string::npos);
  variables_["AWS_CONFIG_FILE"] = "~/elsewhere";
  write("elsewhere", "[profile p]\nk = a\n");
  EXPECT_EQ(value(*AwsProfiles::load(environment()), "p", "k"), "a");
}

// One profile in two files is one profile; of a key that both have, that of the credentials counts.
TEST_F(AwsProfileTest, TheTwoFilesAreMerged) {
  write(".aws/config", "[profile p]\nk = config\nregion = r\n");
  write(".aws/credentials", "[p]\nk = credentials\n");
  const auto profiles = AwsProfiles::load(environment());
  ASSERT_TRUE(profiles.ok());
  EXPECT_EQ(value(*profiles, "p", "k"), "credentials");
  EXPECT_EQ(value(*profiles, "p", "region"), "r");
}

// Flags win over the environment, the environment over the profile.
TEST_F(AwsProfileTest, OptionsAreCompletedInOrder) {
  write(".aws/config",
        "[default]\nregion = eu-west-1\nca_bundle = ~/ca.pem\nservices = mine\n"
        "endpoint_url = https://profile.example\ns3 =\n  addressing_style = virtual\n"
        "[services mine]\ns3 =\n  endpoint_url = https://services.example\n"
        "[profile other]\nregion = us-east-2\nignore_configured_endpoint_urls = true\n"
        "endpoint_url = https://ignored.example\n");
  const std::string ca = home_ + "/ca.pem";
  EXPECT_EQ(completed({}), "https://services.example eu-west-1 2 " + ca + " ");
  S3Options other;
  other.profile = "other";
  EXPECT_EQ(completed(other), " us-east-2 0  other");
  variables_["AWS_PROFILE"] = "other";
  EXPECT_EQ(completed({}), " us-east-2 0  ");
  variables_ = {{"AWS_ENDPOINT_URL", "http://all.example"}};
  EXPECT_EQ(completed({}), "http://all.example eu-west-1 2 " + ca + " ");
  variables_["AWS_ENDPOINT_URL_S3"] = "http://s3.example";
  variables_["AWS_DEFAULT_REGION"] = "ap-south-1";
  variables_["AWS_CA_BUNDLE"] = "/ca";
  EXPECT_EQ(completed({}), "http://s3.example ap-south-1 2 /ca ");
  variables_["AWS_REGION"] = "ap-south-2";
  EXPECT_EQ(completed({}), "http://s3.example ap-south-2 2 /ca ");
  variables_["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "TRUE";
  EXPECT_EQ(completed({}), " ap-south-2 2 /ca ");
  S3Options given;
  given.endpoint = "localhost:9000";
  given.region = "here";
  given.ca_file = "mine.pem";
  given.addressing = S3Addressing::kPath;
  EXPECT_EQ(completed(given), "localhost:9000 here 1 mine.pem ");
}

TEST_F(AwsProfileTest, DualStackAndFipsAreSwitchedOn) {
  write(".aws/config", "[default]\nuse_dualstack_endpoint = true\nuse_fips_endpoint = true\n");
  EXPECT_TRUE(complete_options({}, environment())->use_dualstack);
  EXPECT_TRUE(complete_options({}, environment())->use_fips);
  variables_["AWS_USE_DUALSTACK_ENDPOINT"] = "false";
  EXPECT_FALSE(complete_options({}, environment())->use_dualstack);
  variables_["AWS_USE_FIPS_ENDPOINT"] = "True";
  EXPECT_TRUE(complete_options({}, environment())->use_fips);
}

// What cannot be is refused before anything is sent.
TEST_F(AwsProfileTest, ImpossibleOptionsAreRefusedByName) {
  variables_["AWS_REGION"] = "eu-west-1.evil.example/";
  EXPECT_EQ(completed({}), "invalid: region 'eu-west-1.evil.example/' is not a name");
  variables_ = {{"AWS_ENDPOINT_URL", "ftp://x"}};
  EXPECT_EQ(completed({}), "invalid: endpoint 'ftp://x': not http:// or https://");
  variables_.clear();
  S3Options options;
  options.profile = "nobody";
  EXPECT_EQ(completed(options), "invalid: there is no profile 'nobody' in " + home_ +
                                    "/.aws/config and " + home_ + "/.aws/credentials");
  variables_["AWS_PROFILE"] = "nobody";
  options.profile.clear();
  options.no_sign = true;
  EXPECT_EQ(completed(options), "  0  ") << "a public bucket needs no profile";
}

// The one place that looks at the real environment.
TEST(ProcessEnvironment, ReadsVariablesAndHome) {
  ASSERT_EQ(::setenv("KEDGE_TEST_VARIABLE", "a", 1), 0);
  ASSERT_EQ(::setenv("HOME", "/somewhere", 1), 0);
  AwsEnvironment environment = process_environment();
  EXPECT_EQ(environment.variable("KEDGE_TEST_VARIABLE"), "a");
  EXPECT_EQ(environment.home, "/somewhere");
  ::unsetenv("KEDGE_TEST_VARIABLE");
  ::unsetenv("HOME");
  EXPECT_EQ(environment.variable("KEDGE_TEST_VARIABLE"), "");
  EXPECT_NE(process_environment().home, "") << "of the user database";
}

}  // namespace
}  // namespace kedge
