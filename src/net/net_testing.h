// For tests of the HTTP client: making one, and requests whose time-outs are none unless a test
// shortens one, so that a test which ends has met the very limit that it is about.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "net/http_client.h"

namespace kedge {

inline constexpr Duration kAges = std::chrono::hours(24);

inline std::unique_ptr<HttpClient> new_client(HttpClientOptions options = {}) {
  auto client = make_http_client(std::move(options), system_clock());
  EXPECT_TRUE(client.ok());
  return std::move(client).value();
}

inline HttpRequest patient(std::string url, std::string method = "GET") {
  HttpRequest request;
  request.method = std::move(method);
  request.url = std::move(url);
  request.timeouts = {.connect = kAges, .first_byte = kAges, .idle_body = kAges, .total = kAges};
  return request;
}

inline Deadline soon(Duration duration) { return Deadline::after(system_clock(), duration); }

inline std::string text_of(const Result<HttpResponse>& result) {
  if (!result.ok()) return std::string(code_name(result.code())) + ": " + result.error().message;
  return std::string(as_text(result->body));
}

}  // namespace kedge
