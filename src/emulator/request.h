// A request as S3 reads it: which operation on which bucket and key, from the raw request line and
// headers.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/body.h"
#include "net/http_server.h"

namespace kedge::emulator {

inline constexpr std::size_t kMaxKeyBytes = 1024;

enum class Operation {
  kListBuckets,
  kCreateBucket,
  kDeleteBucket,
  kHeadBucket,
  kGetBucketLocation,
  kGetBucketVersioning,
  kPutBucketVersioning,
  kGetObjectLockConfiguration,
  kPutObjectLockConfiguration,
  kListObjects,
  kListObjectsV2,
  kListObjectVersions,
  kListMultipartUploads,
  kDeleteObjects,
  kGetObject,
  kHeadObject,
  kPutObject,
  kCopyObject,
  kDeleteObject,
  kGetObjectTagging,
  kPutObjectTagging,
  kDeleteObjectTagging,
  kCreateMultipartUpload,
  kUploadPart,
  kCompleteMultipartUpload,
  kAbortMultipartUpload,
  kListParts,
  kNotImplemented,
};
inline constexpr std::size_t kOperations = static_cast<std::size_t>(Operation::kNotImplemented) + 1;

struct OperationFacts {
  std::string_view name;        // as the S3 API reference has it
  std::string_view permission;  // as IAM names it
  bool reads;                   // changes nothing
};
const OperationFacts& facts(Operation operation);

// An error as S3 answers it.
struct Failure {
  int status = 500;
  std::string code;
  std::string message;
  std::vector<HttpHeader> headers = {};
  std::string details = {};  // further elements of the XML
};
using Refusal = std::optional<Failure>;  // empty: all is well

struct S3Request {
  ServedRequest http;
  Operation operation = Operation::kNotImplemented;
  std::string host;    // without the port, lower case
  std::string path;    // of the request line, nothing decoded, without the query
  std::string bucket;  // "" for ListBuckets
  std::string key;     // decoded; "" for operations on buckets
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in the order sent
  Body payload;                    // the body without its framing; set once it was checked
  std::string checksum_name = {};  // "x-amz-checksum-..." that the payload was checked against
  std::string checksum = {};

  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] std::string_view argument(std::string_view name) const;  // "" if there is none
  [[nodiscard]] std::string_view header(std::string_view name) const { return http.header(name); }
  [[nodiscard]] std::string_view permission() const;  // also by version id
};

// %XX decoded, and '+' to a space where `plus_is_space`; nothing for a broken escape.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

// A host that ends with "." and one of `domains` names the bucket (virtual-host style); any other
// is path style.
Refusal parse_request(ServedRequest http, const std::vector<std::string>& domains, S3Request& out);

}  // namespace kedge::emulator
