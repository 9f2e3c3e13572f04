#include "s3/metadata_credentials.h"

#include <algorithm>

#include "base/strings.h"
#include "s3/aws_profile.h"
#include "s3/credential_answer.h"
#include "s3/endpoint.h"
#include "s3/sigv4.h"
#include "s3/small_file.h"

namespace kedge {
namespace {

constexpr std::string_view kContainerHost = "http://169.254.170.2";
constexpr std::string_view kInstanceHost = "http://169.254.169.254";
constexpr std::string_view kInstanceHostIpv6 = "http://[fd00:ec2::254]";
constexpr std::string_view kTokenLifeSeconds = "21600";
constexpr std::size_t kMaxRoleNameBytes = 256;
constexpr std::size_t kMaxUriBytes = 4096;

bool is_visible_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7F'; });
}

// Hosts that may see the container's token without TLS.
bool is_near(std::string_view host) {
  if (host.starts_with('[')) {
    const std::string_view address = host.substr(1, host.find(']') - 1);
    return address == "::1" || address == "fd00:ec2::23";
  }
  host = host.substr(0, host.find(':'));
  if (host == "localhost") return true;
  if (!is_ip_host(host)) return false;
  return host.starts_with("127.") || host == "169.254.170.2" || host == "169.254.170.23";
}

Result<std::string> container_url(const AwsEnvironment& environment) {
  const std::string relative = environment.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const std::string full = environment.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  const std::string& given = relative.empty() ? full : relative;
  if (given.size() > kMaxUriBytes || !is_visible_ascii(given))
    return {Code::kInvalid, "container credentials: the URI has bytes that no URI has"};
  if (!relative.empty()) {
    // Without the slash it would become part of the host's name.
    if (relative.front() != '/')
      return {Code::kInvalid, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'"};
    return str_cat(kContainerHost, relative);
  }
  static constexpr std::string_view kVariable = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
  const std::size_t scheme_end = full.find("://");
  const std::size_t host_begin = scheme_end == std::string::npos ? full.size() : scheme_end + 3;
  const std::size_t host_end = std::min(full.find_first_of("/?#", host_begin), full.size());
  const BaseUrl base = KEDGE_TRY(parse_base_url(full.substr(0, host_end), kVariable));
  if (base.scheme != "https" && !is_near(base.host))
    return {Code::kInvalid,
            str_cat(kVariable, ": host ", base.host,
                    " is not allowed without https: only this machine, 169.254.170.2, "
                    "169.254.170.23 and [fd00:ec2::23]")};
  return full;
}

// The header's value, "" if there is none.
Result<std::string> container_authorization(const AwsEnvironment& environment) {
  std::string value = environment.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  const std::string path = environment.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (!path.empty()) value = KEDGE_TRY(read_small_file(path, kMaxTokenBytes));
  while (value.ends_with('\n') || value.ends_with('\r')) value.pop_back();
  const bool good = std::ranges::all_of(value, [](char c) { return c >= ' ' && c < '\x7F'; });
  if (!good)
    return {Code::kInvalid, "container credentials: the authorization token is not one line"};
  return value;
}

Result<Credentials> credentials_of_answer(const HttpResponse& answer, const std::string& what) {
  const JsonFields fields = KEDGE_TRY(JsonFields::parse(as_text(answer.body), what));
  // The instance's service says so with status 200.
  const std::string code = fields.text("Code");
  if (!code.empty() && code != "Success")
    return {Code::kUnavailable, str_cat(what, ": ", printable(code))};
  Credentials out;
  out.access_key_id = fields.text("AccessKeyId");
  out.secret_access_key = fields.text("SecretAccessKey");
  out.session_token = fields.text("Token");
  const std::string expiration = fields.text("Expiration");
  if (!expiration.empty()) out.expires = KEDGE_TRY(parse_expiry(expiration, what));
  return checked_credentials(std::move(out), what);
}

Result<std::string> instance_url(const AwsEnvironment& environment,
                                 const InstanceMetadata& metadata) {
  std::string given = environment.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (given.empty()) given = metadata.endpoint;
  if (given.empty()) {
    const std::string mode = environment.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    const bool ipv6 = mode == "IPv6" || mode == "ipv6";
    return std::string(ipv6 ? kInstanceHostIpv6 : kInstanceHost);
  }
  // Not https by default as elsewhere: this service has no TLS.
  if (given.find("://") == std::string::npos) given = "http://" + given;
  const BaseUrl base = KEDGE_TRY(parse_base_url(given, "AWS_EC2_METADATA_SERVICE_ENDPOINT"));
  return str_cat(base.scheme, "://", base.host, base.path);
}

constexpr std::string_view kInstance = "instance metadata";

Result<std::string> instance_token(const AwsContext& context, const std::string& base,
                                   Deadline deadline) {
  HttpRequest request;
  request.method = "PUT";
  request.url = base + "/latest/api/token";
  request.headers = {{"x-aws-ec2-metadata-token-ttl-seconds", std::string(kTokenLifeSeconds)}};
  const Result<HttpResponse> answer =
      ask_service(context, std::move(request), kInstanceTotal, deadline, kInstance);
  if (!answer.ok()) {
    if (answer.code() == Code::kCancelled) return answer.error();
    return {Code::kNotFound, str_cat("no answer from ", base)};
  }
  if (answer->status == 404) return {Code::kNotFound, str_cat("no instance metadata at ", base)};
  if (answer->status != 200) return refused_by(kInstance, answer->status, "no token");
  std::string token(as_text(answer->body));
  if (token.empty() || token.size() > kMaxTokenBytes || !is_visible_ascii(token))
    return {Code::kCorrupt, str_cat(kInstance, ": bad token")};
  return token;
}

Result<HttpResponse> ask_instance(const AwsContext& context, std::string url,
                                  const std::string& token, Deadline deadline) {
  HttpRequest request;
  request.url = std::move(url);
  request.headers = {{"x-aws-ec2-metadata-token", token}};
  const HttpResponse answer =
      KEDGE_TRY(ask_service(context, std::move(request), kInstanceTotal, deadline, kInstance));
  if (answer.status == 404) return {Code::kNotFound, "the instance has no role"};
  if (answer.status != 200) return refused_by(kInstance, answer.status, "");
  return answer;
}

}  // namespace

bool has_container_credentials(const AwsEnvironment& environment) {
  return !environment.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() ||
         !environment.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI").empty();
}

Result<Credentials> container_credentials(const AwsContext& context, Deadline deadline) {
  HttpRequest request;
  request.url = KEDGE_TRY(container_url(context.environment));
  request.headers = {{"accept", "application/json"}};
  std::string authorization = KEDGE_TRY(container_authorization(context.environment));
  if (!authorization.empty())
    request.headers.push_back({"authorization", std::move(authorization)});
  const std::string what = "container credentials";
  const HttpResponse answer =
      KEDGE_TRY(ask_service(context, std::move(request), kContainerTotal, deadline, what));
  if (answer.status != 200) return refused_by(what, answer.status, "");
  return credentials_of_answer(answer, what);
}

Result<Credentials> instance_credentials(const AwsContext& context,
                                         const InstanceMetadata& metadata, Deadline deadline) {
  if (is_true(context.environment.variable("AWS_EC2_METADATA_DISABLED")))
    return {Code::kNotFound, "turned off by AWS_EC2_METADATA_DISABLED"};
  const std::string base = KEDGE_TRY(instance_url(context.environment, metadata));
  const Deadline all = at_most(context.clock, deadline, kInstanceTotal);
  const std::string token = KEDGE_TRY(instance_token(context, base, all));
  const std::string roles = base + "/latest/meta-data/iam/security-credentials/";
  const HttpResponse listed = KEDGE_TRY(ask_instance(context, roles, token, all));
  const std::string_view text = as_text(listed.body);
  const std::string role(text.substr(0, text.find('\n')));
  if (role.empty() || role.size() > kMaxRoleNameBytes || !is_visible_ascii(role))
    return {Code::kNotFound, "the instance has no role"};
  const HttpResponse answer =
      KEDGE_TRY(ask_instance(context, roles + encode_query_part(role), token, all));
  Credentials out = KEDGE_TRY(credentials_of_answer(answer, std::string(kInstance)));
  out.origin = str_cat("instance metadata, role ", role);
  return out;
}

}  // namespace kedge
