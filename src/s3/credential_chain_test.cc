#include "s3/credential_chain.h"

#include <gtest/gtest.h>

#include "s3/credential_testing.h"
#include "s3/profile_credentials.h"

namespace kedge {
namespace {

class CredentialChainTest : public CredentialMachine {
 protected:
  void keys_in_environment() {
    variables_["AWS_ACCESS_KEY_ID"] = "ENV";
    variables_["AWS_SECRET_ACCESS_KEY"] = "S3CRET-env";
  }
  void web_identity_in_environment() {
    variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = write("token", "T0KEN-web\n");
    variables_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/web";
  }
  void container_in_environment() {
    variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/1";
  }
};

constexpr const char* kKeys =
    "aws_access_key_id = FILE\naws_secret_access_key = S3CRET-file\naws_session_token = T0KEN\n";
constexpr const char* kRole =
    "[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\nregion = eu-west-1\n";

// The order of the sources is that of other AWS tools, or the same machine would be somebody else
// here than there.
TEST_F(CredentialChainTest, TheFirstSourceThatIsNamedWins) {
  write(".aws/credentials", std::string("[default]\n") + kKeys +
                                "[work]\naws_access_key_id = WORK\n"
                                "aws_secret_access_key = S3CRET-work\n[base]\n" +
                                kKeys);
  write(".aws/config", kRole);
  keys_in_environment();
  web_identity_in_environment();
  container_in_environment();
  EXPECT_EQ(found(), "ENV from environment");
  EXPECT_EQ(found("work"), "WORK from profile 'work'") << "a profile that a person names";
  variables_["AWS_PROFILE"] = "work";
  EXPECT_EQ(found(), "ENV from environment") << "one of the environment does not";
  variables_.erase("AWS_ACCESS_KEY_ID");
  variables_.erase("AWS_SECRET_ACCESS_KEY");
  transport_.expect("POST", "https://sts.amazonaws.com/",
                    sts_answer("AssumeRoleWithWebIdentity", "WEB"));
  EXPECT_EQ(found(), "WEB from web identity, role arn:aws:iam::1:role/web");
  variables_["AWS_PROFILE"] = "role";
  transport_.expect("POST", "https://sts.eu-west-1.amazonaws.com/", sts_answer("AssumeRole", "R"));
  EXPECT_EQ(found(), "R from profile 'role', role arn:aws:iam::1:role/r")
      << "a role of a profile comes before a web identity";
  variables_.erase("AWS_PROFILE");
  variables_.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  EXPECT_EQ(found(), "FILE from profile 'default'");
  variables_["AWS_SHARED_CREDENTIALS_FILE"] = "/dev/null";
  transport_.expect("GET", "http://169.254.170.2/v2/credentials/1",
                    scripted_answer(200, metadata_json("BOX")));
  EXPECT_EQ(found(), "BOX from container");
  variables_.erase("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  transport_.expect("PUT", "http://169.254.169.254/latest/api/token", scripted_answer(200, "t"));
  transport_.expect("GET", "/iam/security-credentials/", scripted_answer(200, "the-role"));
  transport_.expect("GET", "/security-credentials/the-role",
                    scripted_answer(200, metadata_json("EC2")));
  EXPECT_EQ(found(), "EC2 from instance metadata, role the-role");
}

// Whoever has no credentials is told what was looked at and what to do, in the time of one connect.
TEST_F(CredentialChainTest, WithoutAnySourceTheMessageSaysWhatWasLookedAt) {
  no_instance();
  const Result<Credentials> out = find();
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.code(), Code::kDenied);
  for (const char* part : {"AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "profile 'default'",
                           "/.aws/config", "/.aws/credentials", "(not there)",
                           "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "no answer from", "no_sign"})
    EXPECT_NE(out.error().message.find(part), std::string::npos) << part;
  const SeenRequest seen = transport_.seen().front();
  EXPECT_LE(seen.timeouts.total, std::chrono::seconds(1));
  EXPECT_LE(seen.deadline.at, clock_.monotonic() + std::chrono::seconds(1));
  variables_["AWS_EC2_METADATA_DISABLED"] = "True";
  EXPECT_NE(found().find("turned off by AWS_EC2_METADATA_DISABLED"), std::string::npos);
  EXPECT_EQ(transport_.count(), 1U) << "nobody is asked once it is turned off";
}

// Public buckets: neither files nor services are asked.
TEST_F(CredentialChainTest, UnsignedAsksNobody) {
  write(".aws/config", "this is no profile file");
  S3Options options;
  options.no_sign = true;
  auto provider = chain(options);
  ASSERT_TRUE(provider.ok());
  EXPECT_EQ((*provider)->get({})->access_key_id, "");
}

// A half of a pair, a profile that is not there: said by name, and never passed over for the next
// source, which might be somebody else's.
TEST_F(CredentialChainTest, MistakesAreSaidByNameAndEndTheSearch) {
  const struct {
    const char* why;
    const char* config;
    std::map<std::string, std::string> variables;
    const char* profile;
    const char* message;
  } cases[] = {
      {"half a pair",
       "",
       {{"AWS_ACCESS_KEY_ID", "K"}},
       "",
       "denied: environment: AWS_SECRET_ACCESS_KEY is not set, but the other one is"},
      {"the other half",
       "",
       {{"AWS_SECRET_ACCESS_KEY", "K"}},
       "",
       "denied: environment: AWS_ACCESS_KEY_ID is not set, but the other one is"},
      {"a header in a key",
       "",
       {{"AWS_ACCESS_KEY_ID", "K\r\nX: y"}, {"AWS_SECRET_ACCESS_KEY", "S3CRET"}},
       "",
       "denied: environment: bad access key id"},
      {"half a pair in a file",
       "[default]\naws_access_key_id=K\n",
       {},
       "",
       "denied: profile 'default': has no aws_secret_access_key beside the other one"},
      {"web identity without role",
       "",
       {{"AWS_WEB_IDENTITY_TOKEN_FILE", "/t"}},
       "",
       "denied: AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not"},
      {"no source",
       "[profile p]\nrole_arn=r\n",
       {},
       "p",
       "denied: profile 'p': role_arn needs source_profile or credential_source"},
      {"two sources",
       "[profile p]\nrole_arn=r\nsource_profile=p\ncredential_source=Environment\n",
       {},
       "p",
       "denied: profile 'p': role_arn with both source_profile and credential_source"},
      {"unknown source",
       "[profile p]\nrole_arn=r\ncredential_source=Moon\n",
       {},
       "p",
       "denied: profile 'p': credential_source 'Moon' is none of Environment, Ec2InstanceMetadata, "
       "EcsContainer"},
      {"empty source",
       "[profile p]\nrole_arn=r\ncredential_source=Environment\n",
       {},
       "p",
       "denied: profile 'p': credential_source Environment: AWS_ACCESS_KEY_ID is not set"},
      {"source without anything",
       "[profile p]\nrole_arn=r\nsource_profile=q\n[profile q]\na=b\n",
       {},
       "p",
       "denied: profile 'p': source_profile 'q' has no credentials"},
      {"loop",
       "[profile p]\nrole_arn=r\nsource_profile=q\n[profile q]\nrole_arn=r\n"
       "source_profile=p\n",
       {},
       "p",
       "denied: profile 'q': source_profile 'p' leads back to itself"},
      {"itself",
       "[profile p]\nrole_arn=r\nsource_profile=p\n",
       {},
       "p",
       "denied: profile 'p': source_profile 'p' leads back to itself"},
      {"bad duration",
       "[profile p]\nrole_arn=r\nsource_profile=p\nduration_seconds=1h\n",
       {},
       "p",
       "denied: profile 'p': duration_seconds '1h' is not a number of seconds"},
      {"SSO without region",
       "[profile p]\nsso_start_url=u\n",
       {},
       "p",
       "denied: profile 'p': SSO without sso_region"},
      {"newer than we know",
       "[profile p]\nlogin_session=arn\n",
       {},
       "p",
       "denied: profile 'p': login_session is not supported: use sso_session, or "
       "credential_process = aws configure export-credentials"},
  };
  for (const auto& c : cases) {
    write(".aws/config", c.config);
    variables_ = c.variables;
    EXPECT_EQ(found(c.profile), c.message) << c.why;
  }
  write(".aws/config", "");
  variables_.clear();
  EXPECT_EQ(found("p").find("invalid: there is no profile 'p' in "), 0U) << found("p");
  variables_["AWS_PROFILE"] = "p";
  EXPECT_EQ(found().find("invalid: there is no profile 'p' in "), 0U) << found();
  EXPECT_EQ(transport_.count(), 0U);
}

// An absent token file must not read as an absent object of a bucket.
TEST_F(CredentialChainTest, NoErrorOfASourceReadsAsOneOfAnObject) {
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = home_ + "/none";
  variables_["AWS_ROLE_ARN"] = "r";
  EXPECT_EQ(find().code(), Code::kDenied);
  write("none", "T0KEN");
  transport_.expect("POST", "sts", scripted_answer(200, "<html>proxy</html>"));
  EXPECT_EQ(find().code(), Code::kDenied);
  transport_.expect("POST", "sts", scripted_answer(503, ""));
  EXPECT_EQ(find().code(), Code::kUnavailable);
  transport_.expect("POST", "sts", Error{Code::kUnavailable, "reset"});
  EXPECT_EQ(find().code(), Code::kUnavailable);
}

// Roles by way of roles: each is assumed with the credentials of the one before, in its own terms.
TEST_F(CredentialChainTest, RolesAreAssumedAlongTheChain) {
  write(".aws/config",
        "[profile outer]\nrole_arn=arn:outer\nsource_profile=inner\nexternal_id=ex/1\n"
        "role_session_name=me\nduration_seconds=900\nregion=eu-west-1\n"
        "[profile inner]\nrole_arn=arn:inner\nsource_profile=base\nmfa_serial=arn:mfa\n"
        "region=cn-north-1\n[profile base]\n" +
            std::string(kKeys));
  std::string asked;
  prompt_ = [&](std::string_view question) -> Result<std::string> {
    asked = question;
    return std::string("123456");
  };
  transport_.expect("POST", "https://sts.cn-north-1.amazonaws.com.cn/",
                    sts_answer("AssumeRole", "INNER"));
  transport_.expect("POST", "https://sts.eu-west-1.amazonaws.com/",
                    sts_answer("AssumeRole", "OUTER"));
  const auto out = find("outer");
  ASSERT_TRUE(out.ok()) << out.error().message;
  EXPECT_EQ(out->access_key_id, "OUTER");
  EXPECT_EQ(out->session_token, "T0KEN-sts");
  EXPECT_EQ(to_rfc3339(*out->expires), "2026-03-01T13:00:00Z");
  EXPECT_EQ(asked, "MFA code of arn:mfa: ");
  const auto seen = transport_.seen();
  EXPECT_NE(seen[0].body.find("RoleArn=arn%3Ainner&RoleSessionName=kedge-"), std::string::npos);
  EXPECT_NE(seen[0].body.find("&SerialNumber=arn%3Amfa&TokenCode=123456"), std::string::npos);
  EXPECT_NE(seen[0].header("authorization").find("Credential=FILE/20260301/cn-north-1/sts/"),
            std::string::npos);
  EXPECT_EQ(seen[0].header("x-amz-security-token"), "T0KEN");
  EXPECT_EQ(seen[1].body,
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aouter&RoleSessionName=me"
            "&DurationSeconds=900&ExternalId=ex%2F1");
  EXPECT_NE(seen[1].header("authorization").find("Credential=INNER/20260301/eu-west-1/sts/"),
            std::string::npos);
}

TEST_F(CredentialChainTest, NobodyToAskForTheCodeIsSaid) {
  write(".aws/config",
        "[profile p]\nrole_arn=r\nsource_profile=p\nmfa_serial=m\n" + std::string(kKeys));
  EXPECT_EQ(found("p"),
            "denied: profile 'p': MFA device m is needed, and there is nobody to ask for its code");
  prompt_ = [](std::string_view) -> Result<std::string> { return std::string("no code"); };
  EXPECT_EQ(found("p"), "denied: profile 'p': what was typed is not an MFA code");
}

// Each credential_source, on one role.
TEST_F(CredentialChainTest, ARoleMayComeFromEnvironmentContainerOrInstance) {
  const auto with = [&](const std::string& source) {
    write(".aws/config", "[profile p]\nrole_arn=r\ncredential_source=" + source + "\n");
    transport_.forget();
    const std::string out = found("p");
    EXPECT_EQ(out, "ROLE from profile 'p', role r") << source;
    return std::string(transport_.seen().back().header("authorization"));
  };
  keys_in_environment();
  transport_.expect("POST", "sts", sts_answer("AssumeRole", "ROLE"));
  EXPECT_NE(with("Environment").find("Credential=ENV/"), std::string::npos);
  container_in_environment();
  transport_.expect("GET", "169.254.170.2", scripted_answer(200, metadata_json("BOX")));
  transport_.expect("POST", "sts", sts_answer("AssumeRole", "ROLE"));
  EXPECT_NE(with("EcsContainer").find("Credential=BOX/"), std::string::npos);
  transport_.expect("PUT", "/latest/api/token", scripted_answer(200, "t"));
  transport_.expect("GET", "/security-credentials/", scripted_answer(200, "a"));
  transport_.expect("GET", "/security-credentials/a", scripted_answer(200, metadata_json("EC2")));
  transport_.expect("POST", "sts", sts_answer("AssumeRole", "ROLE"));
  EXPECT_NE(with("Ec2InstanceMetadata").find("Credential=EC2/"), std::string::npos);
}

// A chain of any length ends: hostile files must not use up the stack.
TEST_F(CredentialChainTest, ALongChainIsRefused) {
  std::string config = "[profile p0]\nrole_arn=r\nsource_profile=p1\n";
  for (int i = 1; i < 5000; ++i)
    config += str_cat("[profile p", i, "]\nrole_arn=r\nsource_profile=p", i + 1, "\n");
  write(".aws/config", config.substr(0, config.find("[profile p4000]")));
  EXPECT_EQ(found("p0"), str_cat("denied: profile 'p", kMaxProfileChain - 1, "': a chain of over ",
                                 kMaxProfileChain, " source_profiles"));
}

// What STS says is passed on, with what to do; whether to try again follows from it.
TEST_F(CredentialChainTest, RefusalsOfStsAreTold) {
  const struct {
    int status;
    const char* code;
    Code expected;
    const char* message;
  } cases[] = {
      {403, "AccessDenied", Code::kDenied, "answered 403: AccessDenied: not you"},
      {400, "ExpiredTokenException", Code::kDenied, "log in again"},
      {403, "SignatureDoesNotMatch", Code::kDenied, "clock"},
      {400, "IDPCommunicationError", Code::kUnavailable, "IDPCommunicationError"},
      {400, "Throttling", Code::kUnavailable, "Throttling"},
      {500, "InternalFailure", Code::kUnavailable, "answered 500"},
      {429, "", Code::kUnavailable, "answered 429"},
  };
  web_identity_in_environment();
  for (const auto& c : cases) {
    transport_.expect("POST", "sts.amazonaws.com",
                      scripted_answer(c.status, str_cat("<ErrorResponse><Error><Code>", c.code,
                                                        "</Code><Message>not you</Message></Error>"
                                                        "</ErrorResponse>")));
    const auto out = find();
    ASSERT_FALSE(out.ok());
    EXPECT_EQ(out.code(), c.expected) << c.code;
    EXPECT_NE(out.error().message.find(c.message), std::string::npos) << out.error().message;
    EXPECT_NE(out.error().message.find("role arn:aws:iam::1:role/web"), std::string::npos);
  }
  EXPECT_EQ(transport_.seen()[0].header("authorization"), "") << "a web identity is not signed";
}

// Tests and private clouds have an STS of their own.
TEST_F(CredentialChainTest, TheEndpointOfStsCanBeConfigured) {
  web_identity_in_environment();
  write(".aws/config",
        "[default]\nservices=mine\nendpoint_url=http://all\n[services mine]\nsts =\n"
        "  endpoint_url = http://sts.mine:8080/base\n");
  const auto goes_to = [&](const std::string& url) {
    transport_.expect("POST", url, sts_answer("AssumeRoleWithWebIdentity", "K"));
    EXPECT_EQ(found().substr(0, 6), "K from") << url;
    EXPECT_EQ(transport_.seen().back().url, url);
  };
  goes_to("http://sts.mine:8080/base/");
  variables_["AWS_ENDPOINT_URL"] = "https://everything/";
  goes_to("https://everything/");
  variables_["AWS_ENDPOINT_URL_STS"] = "http://127.0.0.1:1";
  goes_to("http://127.0.0.1:1/");
  variables_["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true";
  goes_to("https://sts.amazonaws.com/");
  variables_["AWS_REGION"] = "eu-west-1/@evil.example";
  EXPECT_NE(found().find("is not a name"), std::string::npos) << "a region is no way to elsewhere";
}

// Nothing secret is ever said, in whichever way a source fails.
TEST_F(CredentialChainTest, MessagesAndLogsHoldNoSecret) {
  write(".aws/config", std::string(kRole) + "[profile base]\n" + kKeys);
  std::string said;
  for (const char* body : {"S3CRET T0KEN", "<a>S3CRET</a>", "{\"S3CRET\":1", ""}) {
    for (const int status : {200, 403, 500}) {
      transport_.expect("POST", "sts", scripted_answer(status, body));
      said += found("role") + "\n";
    }
  }
  transport_.expect("POST", "sts", sts_answer("AssumeRole", "R"));
  said += found("role");
  said += log_.all();
  EXPECT_NE(said.find("credentials from profile 'role'"), std::string::npos);
  EXPECT_EQ(said.find("S3CRET"), std::string::npos) << said;
  EXPECT_EQ(said.find("T0KEN"), std::string::npos) << said;
}

}  // namespace
}  // namespace kedge
