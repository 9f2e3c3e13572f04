#include <algorithm>
#include <charconv>
#include <utility>

#include "base/hash.h"
#include "base/strings.h"
#include "emulator/auth.h"
#include "emulator/digests.h"
#include "s3/sigv4.h"

namespace kedge::emulator {
namespace {

constexpr std::string_view kChecksumPrefix = "x-amz-checksum-";
constexpr std::size_t kMaxTrailers = 16;

struct Unframed {
  Bytes body;
  std::vector<HttpHeader> trailers;
};

Failure incomplete() {
  return {400, "IncompleteBody",
          "The request body terminated unexpectedly or its chunks are malformed"};
}

// The next line of `rest` without its CRLF.
std::optional<std::string_view> take_line(std::string_view& rest) {
  const std::size_t end = rest.find("\r\n");
  if (end == std::string_view::npos) return {};
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  return line;
}

bool take_trailers(std::string_view rest, std::vector<HttpHeader>& out) {
  while (!rest.empty()) {
    // Some clients leave out the CRLF of the last line.
    auto line = take_line(rest);
    if (!line) line = std::exchange(rest, {});
    if (line->empty()) continue;
    const std::size_t colon = line->find(':');
    if (colon == std::string_view::npos || out.size() >= kMaxTrailers) return false;
    std::string_view value = line->substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    out.push_back({std::string(line->substr(0, colon)), std::string(value)});
  }
  return true;
}

// "<hex size>[;extension]" CRLF data CRLF, until a chunk of size 0; then the trailers.
Refusal unframe(std::string_view rest, std::string_view expected_size, Unframed& out) {
  while (true) {
    const auto line = take_line(rest);
    if (!line) return incomplete();
    const std::string_view digits = line->substr(0, line->find(';'));
    std::uint64_t size = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
    if (error != std::errc() || end != digits.data() + digits.size()) return incomplete();
    if (size == 0) break;
    if (size > rest.size() || rest.size() - size < 2 || rest.substr(size, 2) != "\r\n")
      return incomplete();
    const ByteView data = as_bytes(rest.substr(0, size));
    out.body.insert(out.body.end(), data.begin(), data.end());
    rest.remove_prefix(size + 2);
  }
  if (!take_trailers(rest, out.trailers)) return incomplete();
  if (expected_size.empty())
    return Failure{411, "MissingContentLength", "You must provide x-amz-decoded-content-length."};
  if (expected_size != std::to_string(out.body.size())) return incomplete();
  return {};
}

Refusal check_sums(S3Request& request, const std::vector<HttpHeader>& headers, ByteView body) {
  for (const HttpHeader& header : headers) {
    if (!header.name.starts_with(kChecksumPrefix)) continue;
    const std::string_view algorithm = std::string_view(header.name).substr(kChecksumPrefix.size());
    if (algorithm == "algorithm" || algorithm == "mode" || algorithm == "type") continue;
    const auto sum = checksum_of(algorithm, body);
    if (!sum) return Failure{501, "NotImplemented", str_cat("The emulator knows no ", header.name)};
    // What is completed has the sum of its object, not of the XML that asks for it.
    if (request.operation == Operation::kCompleteMultipartUpload) continue;
    if (*sum != header.value)
      return Failure{400, "BadDigest",
                     str_cat("The ", algorithm,
                             " you specified did not match the calculated "
                             "checksum.")};
    request.checksum_name = header.name;
    request.checksum = *sum;
  }
  return {};
}

Refusal check_md5(const S3Request& request, ByteView body) {
  const std::string_view wanted = request.header("content-md5");
  if (wanted.empty()) return {};
  const auto bytes = from_base64(wanted);
  if (!bytes || bytes->size() != Md5().size())
    return Failure{400, "InvalidDigest", "The Content-MD5 you specified was invalid."};
  if (std::ranges::equal(md5(body), *bytes)) return {};
  return Failure{400, "BadDigest", "The Content-MD5 you specified did not match what we received."};
}

}  // namespace

Refusal check_payload(S3Request& request) {
  const std::string hash(request.header("x-amz-content-sha256"));
  Unframed unframed;
  if (hash == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") {
    if (auto refusal = unframe(as_text(request.http.body),
                               request.header("x-amz-decoded-content-length"), unframed))
      return refusal;
    const std::string_view promised = request.header("x-amz-trailer");
    if (!promised.empty() && std::ranges::find(unframed.trailers, promised, &HttpHeader::name) ==
                                 unframed.trailers.end())
      return Failure{400, "MalformedTrailerError",
                     "The request contained trailing data that was not well-formed"};
  } else if (hash.starts_with("STREAMING-")) {
    return Failure{501, "NotImplemented", "Chunks with signatures of their own"};
  } else {
    unframed.body = std::move(request.http.body);
    if (!hash.empty() && hash != kUnsignedPayload && hash != to_hex(sha256(unframed.body)))
      return Failure{
          400, "XAmzContentSHA256Mismatch",
          "The provided 'x-amz-content-sha256' header does not match what was computed."};
  }
  if (auto refusal = check_md5(request, unframed.body)) return refusal;
  if (auto refusal = check_sums(request, request.http.headers, unframed.body)) return refusal;
  if (auto refusal = check_sums(request, unframed.trailers, unframed.body)) return refusal;
  request.http.body = {};
  request.payload = Body(std::move(unframed.body));
  return {};
}

}  // namespace kedge::emulator
