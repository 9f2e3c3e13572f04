#include "s3/sso.h"

#include <openssl/evp.h>

#include <array>
#include <charconv>

#include "base/strings.h"
#include "s3/access_point.h"
#include "s3/credential_answer.h"
#include "s3/endpoint.h"
#include "s3/sigv4.h"
#include "s3/small_file.h"

namespace kedge {
namespace {

constexpr Duration kSsoTotal = std::chrono::seconds(20);

std::string sha1_hex(std::string_view text) {
  std::array<std::byte, 20> out{};
  unsigned size = 0;
  KEDGE_CHECK(EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(out.data()),
                         &size, EVP_sha1(), nullptr) == 1 &&
              size == out.size());
  return to_hex(out);
}

Result<std::string> service_url(const std::string& given, std::string_view host_prefix,
                                const std::string& region, std::string_view what) {
  if (!given.empty()) {
    const BaseUrl base = KEDGE_TRY(parse_base_url(given, what));
    return str_cat(base.scheme, "://", base.host, base.path);
  }
  if (!is_host_label(region))
    return {Code::kInvalid, str_cat("sso_region '", printable(region), "' is not a name")};
  return str_cat("https://", host_prefix, region, ".", partition_of_region(region).domain);
}

Error log_in(std::string_view why, const SsoRequest& request) {
  return {Code::kDenied, str_cat("SSO: ", why, ": run ", printable(request.login_command))};
}

// One of milliseconds, as the portal writes it.
std::optional<Timestamp> from_millis(std::string_view text) {
  std::int64_t millis = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), millis);
  static constexpr std::int64_t kMaxMillis = 253'402'300'800'000;  // the year 10000
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  if (!whole || millis <= 0 || millis >= kMaxMillis) return std::nullopt;
  return Timestamp{millis * 1000};
}

// A fresh token for the refresh token in the cache file, which is rewritten.
Result<std::string> refresh_token(const AwsContext& context, const SsoRequest& request,
                                  const std::string& path, const std::string& text,
                                  const JsonFields& cached, Deadline deadline) {
  const std::string url = str_cat(KEDGE_TRY(service_url(request.oidc_endpoint, "oidc.",
                                                        request.region, "endpoint of sso-oidc")),
                                  "/token");
  const std::string body = json_object({{"clientId", cached.text("clientId")},
                                        {"clientSecret", cached.text("clientSecret")},
                                        {"grantType", "refresh_token"},
                                        {"refreshToken", cached.text("refreshToken")}});
  HttpRequest asked;
  asked.method = "POST";
  asked.url = url;
  asked.headers = {{"content-type", "application/json"}};
  asked.body = as_bytes(body);
  static constexpr std::string_view kWhat = "refreshing the SSO token";
  const HttpResponse answer =
      KEDGE_TRY(ask_service(context, std::move(asked), kSsoTotal, deadline, kWhat));
  if (answer.status != 200) return refused_by(kWhat, answer.status, "");
  const JsonFields fields = KEDGE_TRY(JsonFields::parse(as_text(answer.body), kWhat));
  const std::string token = KEDGE_TRY(fields.required("accessToken"));
  const std::optional<Timestamp> seconds = from_millis(fields.text("expiresIn") + "000");
  if (!seconds) return {Code::kCorrupt, str_cat(kWhat, ": bad expiresIn")};
  const Timestamp now{context.clock.now().micros / 1'000'000 * 1'000'000};
  NamedTexts changed = {{"accessToken", token},
                        {"expiresAt", to_rfc3339(now + Duration(seconds->micros))}};
  const std::string next = fields.text("refreshToken");
  if (!next.empty()) changed.emplace_back("refreshToken", next);
  const std::string rewritten = KEDGE_TRY(with_json_fields(text, changed, kWhat));
  const Status written = replace_private_file(path, rewritten);
  if (!written.ok())
    context.log.warning(
        str_cat("the refreshed SSO token could not be kept, and other programs may "
                "have to log in again: ",
                written.error().message));
  return token;
}

bool can_refresh(const JsonFields& cached, Timestamp now) {
  for (const char* name : {"refreshToken", "clientId", "clientSecret"})
    if (cached.text(name).empty()) return false;
  const std::string ends = cached.text("registrationExpiresAt");
  if (ends.empty()) return false;
  const Result<Timestamp> registration = parse_expiry(ends, "SSO");
  return registration.ok() && *registration > now;
}

Result<std::string> access_token(const AwsContext& context, const SsoRequest& request,
                                 Deadline deadline) {
  const std::string path = sso_cache_path(context.environment.home, request);
  Result<std::string> text = read_small_file(path, kMaxCredentialAnswerBytes);
  if (!text.ok()) {
    if (text.code() == Code::kNotFound) return log_in("nobody has logged in", request);
    return text;
  }
  const std::string what = str_cat("SSO token in ", printable(path));
  const JsonFields cached = KEDGE_TRY(JsonFields::parse(*text, what));
  const std::string token = KEDGE_TRY(cached.required("accessToken"));
  const Timestamp ends = KEDGE_TRY(parse_expiry(KEDGE_TRY(cached.required("expiresAt")), what));
  const Timestamp now = context.clock.now();
  if (ends > now + kSsoTokenRefresh) return token;
  const bool refreshable = !request.session.empty() && can_refresh(cached, now);
  if (!refreshable && ends > now) return token;
  if (!refreshable) return log_in(str_cat("the login ended at ", to_rfc3339(ends)), request);
  Result<std::string> fresh = refresh_token(context, request, path, *text, cached, deadline);
  if (fresh.ok()) return fresh;
  if (ends > now) {
    context.log.warning(
        str_cat("SSO: ", fresh.error().message, "; the old token serves until ", to_rfc3339(ends)));
    return token;
  }
  if (fresh.code() != Code::kDenied) return fresh;
  return log_in(
      str_cat("the login ended, and could not be refreshed (", fresh.error().message, ")"),
      request);
}

}  // namespace

std::string sso_cache_path(const std::string& home, const SsoRequest& request) {
  return str_cat(home, "/.aws/sso/cache/",
                 sha1_hex(request.session.empty() ? request.start_url : request.session), ".json");
}

Result<Credentials> sso_credentials(const AwsContext& context, const SsoRequest& request,
                                    Deadline deadline) {
  const std::string token = KEDGE_TRY(access_token(context, request, deadline));
  const std::string base = KEDGE_TRY(
      service_url(request.portal_endpoint, "portal.sso.", request.region, "endpoint of sso"));
  HttpRequest asked;
  asked.url =
      str_cat(base, "/federation/credentials?",
              encode_query({{"role_name", request.role_name}, {"account_id", request.account_id}}));
  asked.headers = {{"x-amz-sso_bearer_token", token}};
  const std::string what = str_cat("SSO role ", printable(request.role_name), " in account ",
                                   printable(request.account_id));
  // A token is one line of a header, or nothing.
  KEDGE_TRY(checked_credentials({"id", "secret", token, std::nullopt, ""}, what));
  const HttpResponse answer =
      KEDGE_TRY(ask_service(context, std::move(asked), kSsoTotal, deadline, what));
  if (answer.status == 401) return log_in("the portal does not take the token", request);
  if (answer.status != 200) return refused_by(what, answer.status, "");
  const JsonFields fields = KEDGE_TRY(JsonFields::parse(as_text(answer.body), what));
  Credentials out;
  out.access_key_id = fields.text("roleCredentials.accessKeyId");
  out.secret_access_key = fields.text("roleCredentials.secretAccessKey");
  out.session_token = fields.text("roleCredentials.sessionToken");
  out.expires = from_millis(fields.text("roleCredentials.expiration"));
  return checked_credentials(std::move(out), what);
}

}  // namespace kedge
