// The XML of the S3 protocol: answers parsed, requests written. Answers are hostile until parsed:
// bodies over kMaxXmlBytes, deeper than they need to be or with more entries than a page may have
// are refused; document types and entities are never expanded.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "s3/s3_error.h"
#include "store/object_store.h"

namespace kedge {

inline constexpr std::size_t kMaxXmlBytes = 16 << 20;

// A page of ListObjectsV2.
struct S3ListPage {
  std::vector<ObjectInfo> objects;
  bool truncated = false;
  std::string continuation_token;
};
// kUnavailable, as all of these: the answer is not what was asked for, and asking again may help.
Result<S3ListPage> parse_list_objects(ByteView body);

// A page of ListObjectVersions.
struct S3Version {
  std::string key;
  std::string version_id;
  bool latest = false;
  bool marker = false;
  std::uint64_t size = 0;
  Timestamp last_modified;
};
struct S3VersionPage {
  std::vector<S3Version> versions;
  bool truncated = false;
  std::string next_key_marker;
  std::string next_version_id_marker;
};
Result<S3VersionPage> parse_list_versions(ByteView body);

// A page of ListMultipartUploads.
struct S3Upload {
  std::string key;
  std::string upload_id;
  Timestamp initiated;
};
struct S3UploadPage {
  std::vector<S3Upload> uploads;
  bool truncated = false;
  std::string next_key_marker;
  std::string next_upload_id_marker;
};
Result<S3UploadPage> parse_list_uploads(ByteView body);

// The answer of GetObjectTagging, sorted by key; of a key that comes twice the first value.
Result<ObjectTags> parse_tagging(ByteView body);

Result<std::string> parse_upload_id(ByteView body);
// Whether a 200 to CompleteMultipartUpload is one: its body may be an error, sent late. The tag.
struct S3Completed {
  std::string tag;
  S3ErrorBody error;  // its code is "" if it is none
};
Result<S3Completed> parse_complete(ByteView body);

struct S3DeleteError {
  std::string key;
  std::string version_id;
  S3ErrorBody error;
};
// What DeleteObjects did not delete (quiet mode).
Result<std::vector<S3DeleteError>> parse_delete_result(ByteView body);

// A small answer of one element: its text, and of a named child of the root.
std::string parse_root_text(ByteView body);
std::string parse_child_text(ByteView body, const char* child);

// Whether an XML 1.0 document can carry the key as it is.
bool fits_xml(std::string_view key);
// key, version id ("" for none).
std::string delete_request(std::span<const std::pair<std::string, std::string>> keys);
// The tags of parts 1, 2, ...
std::string complete_request(std::span<const std::string> tags);

// The tag as Kedge keeps it: without the quotes that HTTP puts around it.
std::string tag_of_etag(std::string_view etag);
// Whether a listed object's bytes can be read, by its storage class.
bool is_archive_class(std::string_view storage_class);

}  // namespace kedge
