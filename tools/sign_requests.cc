// Signs requests, and resolves endpoints, for comparing them with another client's.
//
//   sign_requests < LINES
//
// Input: a JSON object a line. Texts that may hold any byte are hexadecimal (names end in _hex):
//   operation "sign" or "presign": method, host, path_hex, query [[name_hex, value_hex]], headers
//     [[name, value]], payload_hash, region, service, time (RFC 3339), access_key_id,
//     secret_access_key, session_token, seconds (presign)
//   operation "endpoint": bucket, region, endpoint, addressing ("", "path", "virtual"), key_hex,
//     use_dualstack, use_fips
// Output: a line each: the authorization header; the query; "URL region"; or "error: " and why.
#include <boost/json.hpp>
#include <cstdio>
#include <iostream>
#include <string>

#include "base/strings.h"
#include "s3/endpoint.h"
#include "s3/sigv4.h"

namespace {

namespace json = boost::json;
using namespace kedge;  // NOLINT

std::string text(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr ? std::string() : std::string(value->as_string());
}

std::string from_hex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return out;
}

std::string sign(const json::object& line, bool presign) {
  SignedRequest request;
  request.method = text(line, "method");
  request.host = text(line, "host");
  request.path = from_hex(text(line, "path_hex"));
  for (const json::value& pair : line.at("query").as_array())
    request.query.emplace_back(from_hex(std::string_view(pair.at(0).as_string())),
                               from_hex(std::string_view(pair.at(1).as_string())));
  for (const json::value& pair : line.at("headers").as_array())
    request.headers.push_back(
        {std::string(pair.at(0).as_string()), std::string(pair.at(1).as_string())});
  request.payload_hash = text(line, "payload_hash");
  Credentials keys;
  keys.access_key_id = text(line, "access_key_id");
  keys.secret_access_key = text(line, "secret_access_key");
  keys.session_token = text(line, "session_token");
  const auto time = parse_rfc3339(text(line, "time"));
  if (!time.ok()) return "error: " + time.error().message;
  const SigningScope scope{
      .region = text(line, "region"), .service = text(line, "service"), .time = *time};
  if (presign)
    return presign_query(request, keys, scope, std::chrono::seconds(line.at("seconds").as_int64()));
  for (const HttpHeader& header : sign_headers(request, keys, scope))
    if (header.name == "authorization") return header.value;
  return "error: no authorization";
}

std::string endpoint(const json::object& line) {
  S3Options options;
  options.endpoint = text(line, "endpoint");
  options.region = text(line, "region");
  const std::string addressing = text(line, "addressing");
  if (addressing == "path") options.addressing = S3Addressing::kPath;
  if (addressing == "virtual") options.addressing = S3Addressing::kVirtual;
  options.use_dualstack = line.at("use_dualstack").as_bool();
  options.use_fips = line.at("use_fips").as_bool();
  const auto found = resolve_endpoint(options, text(line, "bucket"));
  if (!found.ok()) return "error: " + found.error().message;
  return str_cat(found->url(from_hex(text(line, "key_hex"))), " ", found->region);
}

std::string answer(const std::string& line) {
  try {
    const json::value value = json::parse(line);
    const json::object& object = value.as_object();
    const std::string operation = text(object, "operation");
    if (operation == "endpoint") return endpoint(object);
    return sign(object, operation == "presign");
  } catch (const std::exception& error) {
    return str_cat("error: ", error.what());
  }
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) std::printf("%s\n", answer(line).c_str());
  return 0;
}
