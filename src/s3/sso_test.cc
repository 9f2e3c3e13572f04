#include "s3/sso.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "s3/credential_answer.h"
#include "s3/credential_testing.h"
#include "s3/small_file.h"

namespace kedge {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class SsoTest : public CredentialMachine {
 protected:
  SsoTest() {
    write(".aws/config",
          "[profile new]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Read "
          "Only\n"
          "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = "
          "https://corp.awsapps.com/start\n"
          "[profile old]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-west-1\n"
          "sso_account_id = 123456789012\nsso_role_name = Read Only\n");
  }
  // The token in the cache; with what refreshes it if `refreshable`.
  std::string log_in(const std::string& profile, Duration left, bool refreshable,
                     Duration registered = hours(1000)) {
    SsoRequest request;
    request.start_url = "https://corp.awsapps.com/start";
    request.session = profile == "new" ? "corp" : "";
    NamedTexts fields = {{"startUrl", request.start_url},
                         {"region", "eu-west-1"},
                         {"accessToken", "T0KEN-sso"},
                         {"expiresAt", in(left)}};
    if (refreshable) {
      fields.insert(fields.end(), {{"clientId", "client"},
                                   {"clientSecret", "S3CRET-client"},
                                   {"refreshToken", "T0KEN-refresh"},
                                   {"registrationExpiresAt", in(registered)}});
    }
    const std::string path = sso_cache_path(home_, request);
    return write(path.substr(home_.size() + 1), json_object(fields));
  }
  void portal_answers(Duration life = hours(1)) {
    const std::int64_t millis = (clock_.now() + life).micros / 1000;
    transport_.expect(
        "GET",
        "https://portal.sso.eu-west-1.amazonaws.com/federation/credentials?"
        "role_name=Read%20Only&account_id=123456789012",
        scripted_answer(200, str_cat(R"({"roleCredentials":{"accessKeyId":"SSO",)",
                                     R"("secretAccessKey":"S3CRET","sessionToken":"T0KEN",)",
                                     R"("expiration":)", millis, "}}")));
  }
  void refresh_answers(Result<HttpResponse> answer) {
    transport_.expect("POST", "https://oidc.eu-west-1.amazonaws.com/token", std::move(answer));
  }
};

// Where "aws sso login" puts its token: SHA-1 of the session's name, and of the start URL in
// profiles of the older form. Both checked with `printf %s corp | sha1sum`.
TEST_F(SsoTest, TheTokenLiesWhereTheLoginPutIt) {
  SsoRequest request;
  request.start_url = "https://corp.awsapps.com/start";
  EXPECT_EQ(sso_cache_path("/h", request),
            "/h/.aws/sso/cache/a51746d4aa793ae07b25e90c3a5db96fc7832bd7.json");
  request.session = "corp";
  EXPECT_EQ(sso_cache_path("/h", request),
            "/h/.aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json");
}

TEST_F(SsoTest, ATokenBuysTheCredentialsOfTheRole) {
  for (const char* profile : {"new", "old"}) {
    log_in(profile, hours(8), false);
    portal_answers();
    EXPECT_EQ(found(profile), str_cat("SSO from profile '", profile, "', SSO"));
    EXPECT_EQ(transport_.seen().back().header("x-amz-sso_bearer_token"), "T0KEN-sso");
    portal_answers();
    EXPECT_EQ(to_rfc3339(*find(profile)->expires), "2026-03-01T13:00:00Z");
  }
}

// Whoever has to log in is told how.
TEST_F(SsoTest, WithoutAGoodTokenTheCommandIsNamed) {
  EXPECT_EQ(found("new"),
            "denied: profile 'new': SSO: nobody has logged in: run aws sso login --profile new");
  log_in("new", -minutes(5), false);
  EXPECT_EQ(
      found("new"),
      "denied: profile 'new': SSO: the login ended at 2026-03-01T11:55:00Z: run aws sso login "
      "--profile new");
  log_in("new", -minutes(5), true, -minutes(1));
  EXPECT_NE(found("new").find("the login ended at"), std::string::npos) << "registration ended";
  log_in("old", -minutes(5), true);
  EXPECT_NE(found("old").find("the login ended at"), std::string::npos)
      << "the older form has no refresh";
  log_in("new", hours(8), false);
  transport_.expect("GET", "portal", scripted_answer(401, "T0KEN"));
  EXPECT_EQ(found("new"),
            "denied: profile 'new': SSO: the portal does not take the token: run aws sso login "
            "--profile new");
  transport_.expect("GET", "portal", scripted_answer(403, "T0KEN"));
  EXPECT_EQ(found("new"),
            "denied: profile 'new': SSO role Read Only in account 123456789012: answered 403");
}

// A token near its end is refreshed, and kept for the other tools of this person: the rest of the
// file stays, and nobody else may read it.
TEST_F(SsoTest, ATokenNearItsEndIsRefreshedAndKept) {
  for (const Duration left : {Duration(minutes(14)), -Duration(minutes(14))}) {
    const std::string path = log_in("new", left, true);
    refresh_answers(scripted_answer(
        200, R"({"accessToken":"T0KEN-2","expiresIn":3600,"refreshToken":"T0KEN-r2"})"));
    portal_answers();
    EXPECT_EQ(found("new"), "SSO from profile 'new', SSO");
    const auto seen = transport_.seen();
    EXPECT_EQ(seen[seen.size() - 2].body,
              R"({"clientId":"client","clientSecret":"S3CRET-client",)"
              R"("grantType":"refresh_token","refreshToken":"T0KEN-refresh"})");
    EXPECT_EQ(seen.back().header("x-amz-sso_bearer_token"), "T0KEN-2");
    const auto kept = JsonFields::parse(*read_small_file(path, 10'000), "the cache");
    ASSERT_TRUE(kept.ok());
    EXPECT_EQ(kept->text("accessToken"), "T0KEN-2");
    EXPECT_EQ(kept->text("refreshToken"), "T0KEN-r2");
    EXPECT_EQ(kept->text("expiresAt"), "2026-03-01T13:00:00Z");
    EXPECT_EQ(kept->text("clientSecret"), "S3CRET-client");
    struct stat state = {};
    ASSERT_EQ(::stat(path.c_str(), &state), 0);
    EXPECT_EQ(state.st_mode & 0777, 0600U);
  }
}

// A refresh that fails costs nothing while the token is good.
TEST_F(SsoTest, AFailedRefreshIsAWarningWhileTheTokenServes) {
  log_in("new", minutes(5), true);
  refresh_answers(scripted_answer(500, ""));
  portal_answers();
  EXPECT_EQ(found("new"), "SSO from profile 'new', SSO");
  EXPECT_NE(log_.warnings().find("the old token serves"), std::string::npos);
  log_in("new", -minutes(5), true);
  refresh_answers(scripted_answer(500, ""));
  EXPECT_EQ(find("new").code(), Code::kUnavailable) << "it may work later";
  refresh_answers(scripted_answer(400, "S3CRET"));
  EXPECT_EQ(found("new"),
            "denied: profile 'new': SSO: the login ended, and could not be refreshed (refreshing "
            "the SSO token: answered 400): run aws sso login --profile new");
  for (const char* body : {"{}", R"({"accessToken":"T"})", R"({"accessToken":"T","expiresIn":-1})",
                           R"({"accessToken":"T","expiresIn":9223372036854775807})", "S3CRET"}) {
    refresh_answers(scripted_answer(200, body));
    EXPECT_EQ(find("new").code(), Code::kDenied) << body;
  }
  EXPECT_EQ(log_.all().find("S3CRET"), std::string::npos);
}

// The cache is a file like any other: whatever is in it ends in an error and never in a header.
TEST_F(SsoTest, HostileTokensAreErrors) {
  const std::string path = log_in("new", hours(8), false);
  const std::string name = path.substr(home_.size() + 1);
  for (const std::string& text :
       {std::string(), std::string("{"), std::string(1 << 20, 'x'), std::string("{\"a\":\0}", 7),
        std::string(R"({"accessToken":"T0KEN"})"),
        std::string(R"({"accessToken":"T0KEN","expiresAt":"never"})"),
        std::string(R"({"accessToken":"T\r\nHost: evil","expiresAt":"2027-01-01T00:00:00Z"})")}) {
    write(name, text);
    const auto out = find("new");
    ASSERT_FALSE(out.ok());
    EXPECT_EQ(out.code(), Code::kDenied);
    EXPECT_EQ(out.error().message.find("T0KEN"), std::string::npos) << out.error().message;
  }
  EXPECT_EQ(transport_.count(), 0U);
}

TEST_F(SsoTest, TheServicesAddressesCanBeConfigured) {
  variables_["AWS_ENDPOINT_URL_SSO"] = "http://127.0.0.1:1";
  variables_["AWS_ENDPOINT_URL_SSO_OIDC"] = "http://127.0.0.1:2";
  log_in("new", minutes(5), true);
  transport_.expect("POST", "http://127.0.0.1:2/token", scripted_answer(500, ""));
  transport_.expect("GET", "http://127.0.0.1:1/federation/credentials?", scripted_answer(500, ""));
  EXPECT_EQ(find("new").code(), Code::kUnavailable);
}

}  // namespace
}  // namespace kedge
