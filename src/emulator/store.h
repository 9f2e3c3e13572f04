// What the emulator holds: buckets, versions of objects, uploads. In memory; one lock, under which
// a condition is checked and its write happens.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "emulator/body.h"
#include "emulator/request.h"

namespace kedge::emulator {

inline constexpr std::size_t kMaxBuckets = 1'000;
inline constexpr std::size_t kMaxParts = 10'000;
inline constexpr std::size_t kMaxUploads = 100'000;  // of a bucket

// What was written, shared by whoever still reads it.
struct Content {
  Body body;
  std::string etag;                 // with its quotes
  std::vector<HttpHeader> headers;  // to be sent with it: content-type, x-amz-meta-*, ...
  std::string storage_class = {};   // "": STANDARD
  std::string checksum_name = {};   // a header, "" if none is known of the whole
  std::string checksum = {};
  std::vector<std::pair<std::string, std::string>> tags = {};
};
using ContentPtr = std::shared_ptr<const Content>;

struct Version {
  std::string id;  // "null" where the bucket kept no versions
  Timestamp modified;
  ContentPtr content;  // null: a delete marker
};
// Of a key, oldest first; never empty.
using Versions = std::vector<Version>;

struct Part {
  Body body;
  std::string etag;
  std::string md5;  // 16 bytes
  Timestamp modified;
};
struct Upload {
  Timestamp initiated;
  std::vector<HttpHeader> headers;
  std::string storage_class;
  std::map<int, Part> parts;
};

enum class Versioning { kOff, kEnabled, kSuspended };

// Lies about a key (FaultKind::kStaleReads, kStaleLists).
struct Shadow {
  std::optional<Version> before;
  std::uint32_t reads = 0;
  std::uint32_t lists = 0;
};

struct Bucket {
  std::string region;
  Timestamp created;
  Versioning versioning = Versioning::kOff;
  bool public_read = false;
  bool requester_pays = false;
  std::string object_lock = {};  // the XML that was put; "": none
  std::map<std::string, Versions, std::less<>> objects;
  std::map<std::pair<std::string, std::string>, Upload> uploads;  // by key and upload id
  std::map<std::string, Shadow, std::less<>> shadows;

  // The current version, null where there is none or a delete marker.
  [[nodiscard]] const Version* current(std::string_view key) const;
};

class Store {
 public:
  explicit Store(std::uint64_t seed) : random_(seed) {}

  std::mutex mutex;  // guards all of the below
  std::map<std::string, Bucket, std::less<>> buckets;

  Bucket* find(std::string_view name);
  std::string new_id();  // of a version or an upload
  // Makes `content` (null: a delete marker) the newest version, as the bucket's versioning says.
  const Version& write(Bucket& bucket, const std::string& key, ContentPtr content, Timestamp now);

 private:
  SeededRandom random_;
};

bool valid_bucket_name(std::string_view name);

// Conditions of a request.
struct Conditions {
  std::string if_match;
  std::string if_none_match;
  static Conditions of(const S3Request& request);
  [[nodiscard]] bool empty() const { return if_match.empty() && if_none_match.empty(); }
};
// Of writes: If-None-Match is "*" or refused. `current` may be null. With `allow_missing`
// If-Match holds for what does not exist.
Refusal check_write(const Conditions& conditions, const Version* current, bool allow_missing);
bool same_etag(std::string_view a, std::string_view b);  // quotes do not matter

}  // namespace kedge::emulator
