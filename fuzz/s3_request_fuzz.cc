// Any bytes as a request to the emulator: a line "METHOD target", lines of headers, an empty line,
// the body. What is parsed has a key of allowed length; a body that is let through is as long as it
// said, and has lost its framing.
#include <algorithm>
#include <cstdint>

#include "emulator/auth.h"
#include "emulator/request.h"

namespace {

using kedge::emulator::Caller;
using kedge::emulator::KeyPair;
using kedge::emulator::S3Request;

constexpr std::size_t kMaxHeaders = 64;

std::string_view take_line(std::string_view& rest) {
  const std::string_view line = rest.substr(0, rest.find('\n'));
  rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  kedge::ServedRequest http;
  const std::string_view first = take_line(rest);
  http.method = std::string(first.substr(0, first.find(' ')));
  http.target = std::string(first.substr(std::min(first.size(), http.method.size() + 1)));
  while (http.headers.size() < kMaxHeaders) {
    const std::string_view line = take_line(rest);
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    http.headers.push_back(
        {std::string(line.substr(0, colon)), std::string(line.substr(colon + 1))});
  }
  http.body = kedge::to_bytes(rest);
  const std::size_t body_size = http.body.size();
  S3Request request;
  if (parse_request(std::move(http), {"localhost"}, request)) return 0;
  KEDGE_CHECK(request.key.size() <= kedge::emulator::kMaxKeyBytes);
  Caller caller;
  const std::vector<KeyPair> keys = {{"test-key", "test-secret"}};
  const kedge::Timestamp now{1'700'000'000'000'000};
  static_cast<void>(authenticate(request, {keys, "us-east-1", now}, caller));
  const bool framed =
      request.header("x-amz-content-sha256") == "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
  const std::string promised(request.header("x-amz-decoded-content-length"));
  if (check_payload(request)) return 0;
  KEDGE_CHECK(framed ? std::to_string(request.payload.size()) == promised
                     : request.payload.size() == body_size);
  return 0;
}
