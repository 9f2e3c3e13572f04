#include "s3/sts.h"

#include <pugixml.hpp>

#include "base/strings.h"
#include "s3/access_point.h"
#include "s3/credential_answer.h"
#include "s3/endpoint.h"
#include "s3/sigv4.h"

namespace kedge {
namespace {

constexpr Duration kStsTotal = std::chrono::seconds(20);
constexpr std::string_view kVersion = "2011-06-15";
constexpr std::string_view kGlobalRegion = "us-east-1";

Result<BaseUrl> sts_url(const StsPlace& place) {
  if (!place.endpoint.empty()) return parse_base_url(place.endpoint, "endpoint of STS");
  BaseUrl out;
  out.scheme = "https";
  if (place.region.empty()) {
    out.host = "sts.amazonaws.com";
    return out;
  }
  if (!is_host_label(place.region))
    return {Code::kInvalid, str_cat("region '", printable(place.region), "' is not a name")};
  out.host = str_cat("sts.", place.region, ".", partition_of_region(place.region).domain);
  return out;
}

std::string text_of(const pugi::xml_node& parent, const char* name) {
  return parent.child(name).text().get();
}

// "AccessDenied: User ... is not authorized": what STS says is for people to read.
Error sts_error(const HttpResponse& answer, const std::string& what) {
  pugi::xml_document document;
  const auto parsed = document.load_buffer(answer.body.data(), answer.body.size());
  const pugi::xml_node error = document.child("ErrorResponse").child("Error");
  if (!parsed || !error) return refused_by(what, answer.status, "");
  const std::string code = text_of(error, "Code");
  std::string detail = str_cat(code, ": ", text_of(error, "Message"));
  // printable() is applied to the detail once, below, and cuts it; the hint comes first therefore.
  if (code == "ExpiredTokenException" || code == "ExpiredToken")
    detail = "the token that was shown has ended; log in again (" + detail + ")";
  if (code == "RequestExpired" || code == "SignatureDoesNotMatch")
    detail = "check this machine's clock and the keys (" + detail + ")";
  Error out = refused_by(what, answer.status, detail);
  if (code == "IDPCommunicationError" || code == "Throttling" || code == "ThrottlingException")
    out.code = Code::kUnavailable;
  return out;
}

Result<Credentials> parse_answer(const HttpResponse& answer, const std::string& action,
                                 const std::string& what) {
  if (answer.status != 200) return sts_error(answer, what);
  pugi::xml_document document;
  const auto parsed = document.load_buffer(answer.body.data(), answer.body.size());
  const pugi::xml_node found = document.child((action + "Response").c_str())
                                   .child((action + "Result").c_str())
                                   .child("Credentials");
  if (!parsed || !found) return {Code::kCorrupt, str_cat(what, ": the answer has no credentials")};
  Credentials out;
  out.access_key_id = text_of(found, "AccessKeyId");
  out.secret_access_key = text_of(found, "SecretAccessKey");
  out.session_token = text_of(found, "SessionToken");
  const std::string expiration = text_of(found, "Expiration");
  if (!expiration.empty()) out.expires = KEDGE_TRY(parse_expiry(expiration, what));
  return checked_credentials(std::move(out), what);
}

NamedTexts form_of(const AwsContext& context, const std::string& action, const RoleRequest& role) {
  NamedTexts form = {{"Action", action}, {"Version", std::string(kVersion)}};
  form.emplace_back("RoleArn", role.role_arn);
  form.emplace_back("RoleSessionName",
                    role.session_name.empty()
                        ? str_cat("kedge-", context.clock.now().micros / 1'000'000)
                        : role.session_name);
  if (role.duration_seconds > 0)
    form.emplace_back("DurationSeconds", std::to_string(role.duration_seconds));
  if (!role.external_id.empty()) form.emplace_back("ExternalId", role.external_id);
  if (!role.mfa_serial.empty()) {
    form.emplace_back("SerialNumber", role.mfa_serial);
    form.emplace_back("TokenCode", role.mfa_code);
  }
  return form;
}

// Signed if there are credentials to sign with.
Result<Credentials> ask_sts(const AwsContext& context, const StsPlace& place,
                            const std::string& action, const NamedTexts& form,
                            const Credentials* with, const std::string& role_arn,
                            Deadline deadline) {
  const BaseUrl base = KEDGE_TRY(sts_url(place));
  const std::string what = str_cat("STS at ", base.host, ", role ", printable(role_arn));
  const std::string body = encode_query(form);
  SignedRequest signing;
  signing.method = "POST";
  signing.host = base.host;
  signing.path = base.path + "/";
  signing.headers = {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}};
  signing.payload_hash = to_hex(sha256(as_bytes(body)));
  HttpRequest request;
  request.method = signing.method;
  request.url = str_cat(base.scheme, "://", base.host, signing.path);
  request.headers = signing.headers;
  request.body = as_bytes(body);
  if (with != nullptr) {
    const std::string region = place.region.empty() ? std::string(kGlobalRegion) : place.region;
    request.headers = sign_headers(
        signing, *with, {.region = region, .service = "sts", .time = context.clock.now()});
  }
  const HttpResponse answer =
      KEDGE_TRY(ask_service(context, std::move(request), kStsTotal, deadline, what));
  return parse_answer(answer, action, what);
}

}  // namespace

Result<Credentials> assume_role(const AwsContext& context, const StsPlace& place,
                                const RoleRequest& role, const Credentials& with,
                                Deadline deadline) {
  static const std::string kAction = "AssumeRole";
  return ask_sts(context, place, kAction, form_of(context, kAction, role), &with, role.role_arn,
                 deadline);
}

Result<Credentials> assume_role_with_web_identity(const AwsContext& context, const StsPlace& place,
                                                  const RoleRequest& role,
                                                  const std::string& web_identity_token,
                                                  Deadline deadline) {
  static const std::string kAction = "AssumeRoleWithWebIdentity";
  NamedTexts form = form_of(context, kAction, role);
  form.emplace_back("WebIdentityToken", web_identity_token);
  return ask_sts(context, place, kAction, form, nullptr, role.role_arn, deadline);
}

}  // namespace kedge
