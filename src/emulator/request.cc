#include "emulator/request.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace kedge::emulator {
namespace {

constexpr std::array<OperationFacts, kOperations> kFacts = {{
    {"ListBuckets", "s3:ListAllMyBuckets", true},
    {"CreateBucket", "s3:CreateBucket", false},
    {"DeleteBucket", "s3:DeleteBucket", false},
    {"HeadBucket", "s3:ListBucket", true},
    {"GetBucketLocation", "s3:GetBucketLocation", true},
    {"GetBucketVersioning", "s3:GetBucketVersioning", true},
    {"PutBucketVersioning", "s3:PutBucketVersioning", false},
    {"GetObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration", true},
    {"PutObjectLockConfiguration", "s3:PutBucketObjectLockConfiguration", false},
    {"ListObjects", "s3:ListBucket", true},
    {"ListObjectsV2", "s3:ListBucket", true},
    {"ListObjectVersions", "s3:ListBucketVersions", true},
    {"ListMultipartUploads", "s3:ListBucketMultipartUploads", true},
    {"DeleteObjects", "s3:DeleteObject", false},
    {"GetObject", "s3:GetObject", true},
    {"HeadObject", "s3:GetObject", true},
    {"PutObject", "s3:PutObject", false},
    {"CopyObject", "s3:PutObject", false},
    {"DeleteObject", "s3:DeleteObject", false},
    {"GetObjectTagging", "s3:GetObjectTagging", true},
    {"PutObjectTagging", "s3:PutObjectTagging", false},
    {"DeleteObjectTagging", "s3:DeleteObjectTagging", false},
    {"CreateMultipartUpload", "s3:PutObject", false},
    {"UploadPart", "s3:PutObject", false},
    {"CompleteMultipartUpload", "s3:PutObject", false},
    {"AbortMultipartUpload", "s3:AbortMultipartUpload", false},
    {"ListParts", "s3:ListMultipartUploadParts", true},
    {"NotImplemented", "s3:NotImplemented", false},
}};

// Parts of a bucket or object that real S3 has and this one has not: better refused than answered
// as if the bucket or object itself had been asked for.
constexpr std::array<std::string_view, 21> kForeign = {
    "acl",        "policy",       "tagging",    "cors",      "lifecycle",  "encryption",
    "logging",    "website",      "torrent",    "retention", "legal-hold", "analytics",
    "inventory",  "metrics",      "attributes", "restore",   "select",     "publicAccessBlock",
    "accelerate", "notification", "partNumber"};

// Some of these are there for objects.
bool known_of_object(const S3Request& request, std::string_view name) {
  return (name == "partNumber" && request.has("uploadId")) ||
         (name == "tagging" && !request.key.empty());
}

bool foreign(const S3Request& request) {
  return std::ranges::any_of(kForeign, [&](std::string_view name) {
    return request.has(name) && !known_of_object(request, name);
  });
}

Operation bucket_operation(const S3Request& r) {
  const std::string_view method = r.http.method;
  if (method == "HEAD") return Operation::kHeadBucket;
  if (method == "DELETE") return Operation::kDeleteBucket;
  if (method == "POST" && r.has("delete")) return Operation::kDeleteObjects;
  if (method == "PUT") {
    if (r.has("versioning")) return Operation::kPutBucketVersioning;
    if (r.has("object-lock")) return Operation::kPutObjectLockConfiguration;
    return Operation::kCreateBucket;
  }
  if (method != "GET") return Operation::kNotImplemented;
  if (r.has("location")) return Operation::kGetBucketLocation;
  if (r.has("versioning")) return Operation::kGetBucketVersioning;
  if (r.has("object-lock")) return Operation::kGetObjectLockConfiguration;
  if (r.has("versions")) return Operation::kListObjectVersions;
  if (r.has("uploads")) return Operation::kListMultipartUploads;
  return r.argument("list-type") == "2" ? Operation::kListObjectsV2 : Operation::kListObjects;
}

Operation object_operation(const S3Request& r) {
  const std::string_view method = r.http.method;
  const bool upload = r.has("uploadId");
  if (r.has("tagging")) {
    if (method == "GET") return Operation::kGetObjectTagging;
    if (method == "PUT") return Operation::kPutObjectTagging;
    return method == "DELETE" ? Operation::kDeleteObjectTagging : Operation::kNotImplemented;
  }
  if (method == "HEAD") return Operation::kHeadObject;
  if (method == "GET") return upload ? Operation::kListParts : Operation::kGetObject;
  if (method == "DELETE")
    return upload ? Operation::kAbortMultipartUpload : Operation::kDeleteObject;
  if (method == "POST" && r.has("uploads")) return Operation::kCreateMultipartUpload;
  if (method == "POST" && upload) return Operation::kCompleteMultipartUpload;
  if (method != "PUT") return Operation::kNotImplemented;
  const bool copy = !r.header("x-amz-copy-source").empty();
  if (upload) return copy ? Operation::kNotImplemented : Operation::kUploadPart;
  return copy ? Operation::kCopyObject : Operation::kPutObject;
}

Operation operation_of(const S3Request& r) {
  if (foreign(r)) return Operation::kNotImplemented;
  if (!r.key.empty()) return object_operation(r);
  if (!r.bucket.empty()) return bucket_operation(r);
  return r.http.method == "GET" ? Operation::kListBuckets : Operation::kNotImplemented;
}

Failure bad_uri() { return {400, "InvalidURI", "Couldn't parse the specified URI."}; }

bool parse_query(std::string_view text, S3Request& out) {
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    if (part.empty()) continue;
    const std::size_t equals = part.find('=');
    auto name = percent_decode(part.substr(0, equals), true);
    auto value = percent_decode(
        equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1), true);
    if (!name || !value) return false;
    out.query.emplace_back(*std::move(name), *std::move(value));
  }
  return true;
}

// Bytes that are UTF-8 by its rules, without overlong forms and surrogates.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto at = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
    const unsigned char lead = at(i);
    const std::size_t size = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
    if (size == 0 || size > text.size() - i) return false;
    for (std::size_t k = 1; k < size; ++k)
      if ((at(i + k) & 0xC0) != 0x80) return false;
    if ((lead == 0xE0 && at(i + 1) < 0xA0) || (lead == 0xED && at(i + 1) > 0x9F) ||
        (lead == 0xF0 && at(i + 1) < 0x90) || (lead == 0xF4 && at(i + 1) > 0x8F))
      return false;
    i += size;
  }
  return true;
}

std::string host_of(std::string_view host) {
  std::string out(host.substr(0, host.rfind(':')));
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

}  // namespace

const OperationFacts& facts(Operation operation) {
  return kFacts[static_cast<std::size_t>(operation)];
}

bool S3Request::has(std::string_view name) const {
  return std::ranges::any_of(query, [&](const auto& one) { return one.first == name; });
}

std::string_view S3Request::argument(std::string_view name) const {
  for (const auto& [found, value] : query)
    if (found == name) return value;
  return {};
}

std::string_view S3Request::permission() const {
  const bool version = has("versionId");
  if (version && (operation == Operation::kGetObject || operation == Operation::kHeadObject))
    return "s3:GetObjectVersion";
  if (version && operation == Operation::kDeleteObject) return "s3:DeleteObjectVersion";
  if (version && operation == Operation::kGetObjectTagging) return "s3:GetObjectVersionTagging";
  return facts(operation).permission;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return {};
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

Refusal parse_request(ServedRequest http, const std::vector<std::string>& domains, S3Request& out) {
  out.http = std::move(http);
  out.host = host_of(out.http.header("host"));
  std::string_view target = out.http.target;
  // As proxies are asked: the absolute form.
  if (target.starts_with("http://"))
    target.remove_prefix(std::min(target.find('/', 7), target.size()));
  if (!target.starts_with('/')) return bad_uri();
  const std::size_t mark = target.find('?');
  out.path = std::string(target.substr(0, mark));
  if (mark != std::string_view::npos && !parse_query(target.substr(mark + 1), out))
    return bad_uri();
  const auto path = percent_decode(out.path, false);
  if (!path || !is_utf8(*path)) return bad_uri();
  std::string_view rest = std::string_view(*path).substr(1);
  for (const std::string& domain : domains) {
    const std::string_view host = out.host;
    if (host.size() > domain.size() + 1 && host.ends_with(domain) &&
        host[host.size() - domain.size() - 1] == '.')
      out.bucket = std::string(host.substr(0, host.size() - domain.size() - 1));
  }
  if (out.bucket.empty()) {
    out.bucket = std::string(rest.substr(0, rest.find('/')));
    rest.remove_prefix(std::min(rest.size(), out.bucket.size() + 1));
  }
  out.key = std::string(rest);
  out.operation = operation_of(out);
  if (out.key.size() > kMaxKeyBytes) return Failure{400, "KeyTooLongError", "Your key is too long"};
  return {};
}

}  // namespace kedge::emulator
