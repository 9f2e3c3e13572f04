#include "s3/s3_object.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/allocation.h"
#include "base/hash.h"
#include "base/strings.h"
#include "s3/encoded_word.h"
#include "s3/http_date.h"
#include "s3/s3_xml.h"
#include "store/range.h"

namespace kedge {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

bool take_number(std::string_view& text, std::uint64_t& out) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  if (parsed.ec != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  return true;
}

bool take(std::string_view& text, std::string_view piece) {
  if (!text.starts_with(piece)) return false;
  text.remove_prefix(piece.size());
  return true;
}

std::string base64(ByteView bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < have ? std::to_integer<std::uint32_t>(bytes[i + j]) : 0);
    for (std::size_t j = 0; j < 4; ++j)
      out += j <= have ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

// Checksums of the whole object that a store keeps; composite ones ("...-3") say nothing of the
// bytes in a row.
Status check_checksum(const HttpResponse& response, std::string_view key) {
  const ByteView body = response.body;
  std::string expected(response.header("x-amz-checksum-crc32c"));
  std::string found;
  if (!expected.empty() && expected.find('-') == std::string::npos) {
    const std::uint32_t crc = crc32c(body);
    const std::array<std::byte, 4> bytes = {
        static_cast<std::byte>(crc >> 24), static_cast<std::byte>(crc >> 16 & 255),
        static_cast<std::byte>(crc >> 8 & 255), static_cast<std::byte>(crc & 255)};
    found = base64(bytes);
  } else {
    expected = response.header("x-amz-checksum-sha256");
    if (expected.empty() || expected.find('-') != std::string::npos) return {};
    found = base64(sha256(body));
  }
  if (found == expected) return {};
  return {Code::kUnavailable, str_cat("'", printable(key),
                                      "': the body does not have the checksum "
                                      "that came with it")};
}

// Of a name that comes twice the first value.
std::vector<std::pair<std::string, std::string>> user_metadata(const HttpResponse& response) {
  constexpr std::string_view kPrefix = "x-amz-meta-";
  std::vector<std::pair<std::string, std::string>> out;
  for (const HttpHeader& header : response.headers) {
    if (!header.name.starts_with(kPrefix)) continue;
    out.emplace_back(header.name.substr(kPrefix.size()), decode_words(header.value));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  out.erase(std::unique(out.begin(), out.end(),
                        [](const auto& a, const auto& b) { return a.first == b.first; }),
            out.end());
  return out;
}

Error odd(std::string_view key, std::string_view what) {
  return {Code::kUnavailable, str_cat("'", printable(key), "': ", what)};
}

}  // namespace

std::optional<ContentRange> parse_content_range(std::string_view text) {
  ContentRange range;
  if (!take(text, "bytes ") || !take_number(text, range.first) || !take(text, "-") ||
      !take_number(text, range.last) || !take(text, "/") || !take_number(text, range.size) ||
      !text.empty() || range.last < range.first || range.size <= range.last)
    return std::nullopt;
  return range;
}

Result<ObjectInfo> object_of(std::string_view key, const HttpResponse& response) try {
  ObjectInfo info;
  info.key = key;
  info.tag.value = tag_of_etag(response.header("etag"));
  info.last_modified = parse_http_date(response.header("last-modified"));
  info.version_id = response.header("x-amz-version-id");
  info.media_type = response.header("content-type");
  info.metadata = user_metadata(response);
  info.storage_class = response.header("x-amz-storage-class");
  if (info.storage_class == "STANDARD") info.storage_class.clear();
  const bool restored =
      response.header("x-amz-restore").find("ongoing-request=\"false\"") != std::string_view::npos;
  info.archived = !restored && (is_archive_class(info.storage_class) ||
                                !response.header("x-amz-archive-status").empty());
  if (info.tag.value.empty()) return odd(key, "an answer without an ETag");
  if (info.last_modified.micros == 0) return odd(key, "an answer without a Last-Modified");
  if (response.status == 206) {
    const auto range = parse_content_range(response.header("content-range"));
    if (!range) return odd(key, "a part without a Content-Range that can be read");
    info.size = range->size;
    return info;
  }
  std::string_view length = response.header("content-length");
  if (!take_number(length, info.size) || !length.empty())
    return odd(key, "an answer without a Content-Length");
  return info;
} catch (...) {
  return memory_error("an answer");
}

Result<Blob> checked_blob(const ReadRequest& request, HttpResponse response, Timestamp store_time) {
  Blob blob;
  if (!response.length_known) return odd(request.key, "an answer whose length is not known");
  blob.info = KEDGE_TRY(object_of(request.key, response));
  blob.store_time = store_time;
  if (request.if_match && blob.info.tag != *request.if_match)
    return odd(request.key, "an answer of another ETag than was asked for");
  const std::uint64_t got = response.body.size();
  if (response.status == 206) {
    if (is_whole(request)) return odd(request.key, "a part, where the whole was asked for");
    const auto range = parse_content_range(response.header("content-range"));
    const Range expected = KEDGE_TRY(range_of(request, range->size));
    if (range->first != expected.offset || range->last + 1 != expected.offset + expected.length ||
        got != expected.length)
      return odd(request.key,
                 str_cat("bytes ", range->first, "-", range->last, " (", got, " came), where ",
                         expected.length, " from ", expected.offset, " were asked for"));
  } else {
    if (got != blob.info.size) return odd(request.key, str_cat(got, " bytes of ", blob.info.size));
    // A store may answer a range that covers the object with the object.
    const Range expected = KEDGE_TRY(range_of(request, blob.info.size));
    if (expected.offset != 0 || expected.length != got)
      return Error{Code::kUnsupported,
                   str_cat("'", printable(request.key), "': the store ignores ranges: ", got,
                           " bytes came, where ", expected.length, " from ", expected.offset,
                           " were asked for")};
    KEDGE_TRY(check_checksum(response, request.key));
  }
  blob.body = std::move(response.body);
  return blob;
}

Result<Blob> checked_unchanged(const ReadRequest& request, const HttpResponse& response,
                               Timestamp store_time) {
  if (!request.unless_match) return odd(request.key, "not modified, which was not asked");
  // Not every store repeats the tag.
  const std::string_view etag = response.header("etag");
  if (!etag.empty() && Tag{tag_of_etag(etag)} != *request.unless_match)
    return odd(request.key, "not modified, and of another ETag than was asked for");
  return unchanged_blob(request, store_time);
}

std::string range_header(const ReadRequest& request) {
  std::string out = str_cat("bytes=", request.offset, "-");
  if (!request.length) return out;
  const std::uint64_t before_last = *request.length - 1;
  if (before_last < kMost - request.offset) out += std::to_string(request.offset + before_last);
  return out;
}

std::optional<std::string> etag_of_tag(const Tag& tag) {
  const std::string& value = tag.value;
  const bool can_be = !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
    return c > 0x20 && c != 0x7F && static_cast<unsigned char>(c) < 0x80 && c != '"';
  });
  if (can_be) return "\"" + value + "\"";
  return std::nullopt;
}

}  // namespace kedge
