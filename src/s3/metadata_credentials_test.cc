#include "s3/metadata_credentials.h"

#include <gtest/gtest.h>

#include "s3/credential_testing.h"

namespace kedge {
namespace {

class MetadataTest : public CredentialMachine {
 protected:
  AwsContext context() {
    kept_ = environment();
    return {kept_, transport_, clock_, log_};
  }
  std::string container() {
    const auto out = container_credentials(context(), Deadline::never());
    return out.ok() ? out->access_key_id
                    : str_cat(code_name(out.code()), ": ", out.error().message);
  }
  std::string instance() {
    const auto out = instance_credentials(context(), {}, Deadline::never());
    return out.ok() ? out->access_key_id
                    : str_cat(code_name(out.code()), ": ", out.error().message);
  }

  AwsEnvironment kept_;
};

constexpr const char* kFull = "AWS_CONTAINER_CREDENTIALS_FULL_URI";

// The request carries a token that buys credentials: it goes to this machine, to the fixed
// addresses of ECS and EKS, or through TLS, and nowhere else, whatever the variable looks like.
TEST_F(MetadataTest, TheContainersTokenGoesOnlyWhereItMay) {
  const struct {
    const char* url;
    bool allowed;
  } cases[] = {
      {"http://127.0.0.1/x", true},
      {"http://127.9.9.9:8080/x?y=z", true},
      {"http://localhost:99/x", true},
      {"http://[::1]:99/x", true},
      {"http://169.254.170.2/x", true},
      {"http://169.254.170.23/v1/credentials", true},
      {"http://[fd00:ec2::23]/v1/credentials", true},
      {"https://anything.example/x", true},
      {"http://anything.example/x", false},
      {"http://169.254.169.254/x", false},
      {"http://127.0.0.1.evil.example/x", false},
      {"http://127.0.0.1@evil.example/x", false},
      {"http://evil.example/#@127.0.0.1/", false},
      {"http://evil.example?127.0.0.1", false},
      {"http://localhost.evil.example/", false},
      {"http://[::1]evil.example/", false},
      {"http://[fd00:ec2::24]/", false},
      {"ftp://127.0.0.1/x", false},
      {"file:///etc/passwd", false},
      {"http:///x", false},
      {"http://127.0.0.1/x y", false},
      {"http://127.0.0.1/\r\nHost: evil", false},
  };
  for (const auto& c : cases) {
    variables_[kFull] = c.url;
    if (c.allowed) transport_.expect("GET", c.url, scripted_answer(200, metadata_json("BOX")));
    const std::string out = container();
    EXPECT_EQ(out == "BOX", c.allowed) << c.url << ": " << out;
    EXPECT_TRUE(c.allowed || out.starts_with("invalid: ")) << c.url << ": " << out;
  }
}

TEST_F(MetadataTest, TheRelativeUriStaysOnItsHost) {
  variables_[kFull] = "http://evil.example/";
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/x?id=1";
  transport_.expect("GET", "http://169.254.170.2/v2/x?id=1",
                    scripted_answer(200, metadata_json("BOX")));
  EXPECT_EQ(container(), "BOX");
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = ".evil.example/";
  EXPECT_EQ(container(), "invalid: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'");
}

// The file wins, and is read at each fetch: EKS replaces it.
TEST_F(MetadataTest, TheAuthorizationComesFromFileOrVariable) {
  variables_[kFull] = "http://127.0.0.1/x";
  const auto sent = [&] {
    transport_.expect("GET", "/x", scripted_answer(200, metadata_json("BOX")));
    EXPECT_EQ(container(), "BOX");
    return std::string(transport_.seen().back().header("authorization"));
  };
  EXPECT_EQ(sent(), "");
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Basic T0KEN";
  EXPECT_EQ(sent(), "Basic T0KEN");
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = write("auth", "from-file\n");
  EXPECT_EQ(sent(), "from-file");
  write("auth", "another");
  EXPECT_EQ(sent(), "another");
  write("auth", "two\r\nHost: lines");
  EXPECT_EQ(container(), "invalid: container credentials: the authorization token is not one line");
  write("auth", std::string(1 << 20, 'x'));
  EXPECT_NE(container().find("is over"), std::string::npos);
}

// Hostile or broken answers are errors without a word of what was in them.
TEST_F(MetadataTest, BadAnswersAreErrors) {
  variables_[kFull] = "http://127.0.0.1/x";
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  const struct {
    int status;
    std::string body;
    const char* message;
  } cases[] = {
      {500, "", "unavailable: container credentials: answered 500"},
      {403, "S3CRET", "denied: container credentials: answered 403"},
      {200, "", "corrupt: container credentials: not a JSON object"},
      {200, "[1]", "corrupt: container credentials: not a JSON object"},
      {200, "{\"a\":" + deep + "}", "corrupt: container credentials: not a JSON object"},
      {200, std::string(300'000, ' ') + "{}",
       "exhausted: container credentials: a body over 262144 bytes"},
      {200, "{}", "corrupt: container credentials: no access key id"},
      {200, R"({"AccessKeyId":"K"})", "corrupt: container credentials: no secret access key"},
      {200, R"({"AccessKeyId":"K\r\nX: y","SecretAccessKey":"S3CRET"})",
       "corrupt: container credentials: bad access key id"},
      {200, R"({"AccessKeyId":"K","SecretAccessKey":"S3CRET","Token":"a\u0000b"})",
       "corrupt: container credentials: bad session token"},
      {200, R"({"AccessKeyId":"K","SecretAccessKey":"S3CRET","Expiration":"tomorrow"})",
       "corrupt: container credentials: the time of expiry is not ISO 8601"},
      {200, R"({"AccessKeyId":{"a":1},"SecretAccessKey":["S3CRET"]})",
       "corrupt: container credentials: no access key id"},
  };
  for (const auto& c : cases) {
    transport_.expect("GET", "/x", scripted_answer(c.status, c.body));
    EXPECT_EQ(container(), c.message) << c.body.substr(0, 80);
  }
}

// Version 2 only: a token first, and with it everything else; all of it within one second.
TEST_F(MetadataTest, TheInstanceIsAskedWithAToken) {
  transport_.expect("PUT", "http://169.254.169.254/latest/api/token", scripted_answer(200, "tok"));
  transport_.expect("GET", "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
                    scripted_answer(200, "my role/1\n"));
  EXPECT_EQ(instance(), "not_found: the instance has no role") << "a name with a space is none";
  transport_.expect("PUT", "http://169.254.169.254/latest/api/token", scripted_answer(200, "tok"));
  transport_.expect("GET", "/security-credentials/", scripted_answer(200, "role@1\n"));
  transport_.expect("GET", "/security-credentials/role%401",
                    scripted_answer(200, metadata_json("EC2")));
  EXPECT_EQ(instance(), "EC2");
  for (const SeenRequest& seen : transport_.seen()) {
    EXPECT_LE(seen.deadline.at, clock_.monotonic() + kInstanceTotal) << seen.url;
    if (seen.method == "PUT") {
      EXPECT_EQ(seen.header("x-aws-ec2-metadata-token-ttl-seconds"), "21600");
    } else {
      EXPECT_EQ(seen.header("x-aws-ec2-metadata-token"), "tok");
    }
  }
}

TEST_F(MetadataTest, TheInstancesAddressCanBeAnother) {
  const struct {
    const char* variable;
    const char* value;
    const char* url;
  } cases[] = {
      {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338/",
       "http://127.0.0.1:1338/latest"},
      {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "127.0.0.1:1338", "http://127.0.0.1:1338/latest"},
      {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6", "http://[fd00:ec2::254]/latest"},
  };
  for (const auto& c : cases) {
    variables_ = {{c.variable, c.value}};
    transport_.expect("PUT", c.url, scripted_answer(404, ""));
    EXPECT_EQ(instance().find("not_found: no instance metadata at "), 0U) << c.value;
  }
}

// Where nobody answers there is no such service; where somebody does, it is a failure of theirs.
TEST_F(MetadataTest, SilenceAndFailureAreToldApart) {
  no_instance();
  EXPECT_EQ(instance(), "not_found: no answer from http://169.254.169.254");
  transport_.expect("PUT", "/token", scripted_answer(403, ""));
  EXPECT_EQ(instance(), "denied: instance metadata: answered 403: no token");
  const auto after_token = [&](Result<HttpResponse> answer) {
    transport_.expect("PUT", "/token", scripted_answer(200, "tok"));
    transport_.expect("GET", "/security-credentials/", std::move(answer));
    return instance();
  };
  EXPECT_EQ(after_token(scripted_answer(404, "")), "not_found: the instance has no role");
  EXPECT_EQ(after_token(scripted_answer(500, "")), "unavailable: instance metadata: answered 500");
  EXPECT_EQ(after_token(Error{Code::kUnavailable, "reset"}),
            "unavailable: instance metadata: reset");
  transport_.expect("PUT", "/token", scripted_answer(200, "tok"));
  transport_.expect("GET", "/security-credentials/", scripted_answer(200, "r"));
  transport_.expect("GET", "/security-credentials/r",
                    scripted_answer(200, R"({"Code":"AssumeRoleUnauthorizedAccess"})"));
  EXPECT_EQ(instance(), "unavailable: instance metadata: AssumeRoleUnauthorizedAccess");
  transport_.expect("PUT", "/token", scripted_answer(200, "a\r\nb"));
  EXPECT_EQ(instance(), "corrupt: instance metadata: bad token");
}

}  // namespace
}  // namespace kedge
