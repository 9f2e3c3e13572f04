// The one door to storage: a flat map from key to immutable bytes, with compare-and-swap.
// Code above this interface never sees HTTP, a file path or a retry. Both sides of Kedge use it:
// the index is written through it, and the raw objects of a source are listed and read through it.
//
// Threads: any method, from any thread, at any time.
// Errors: kUnavailable may be repeated, but not after create() or swap(); every other code is
// final.
//
// Conformance: every implementation passes tests/store (docs/stores.md).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace kedge {

// Names one state of one key: an ETag, opaque. Equal tags mean equal state; a tag is never a
// content hash.
struct Tag {
  std::string value;
  bool operator==(const Tag&) const = default;
};

// One object of a store, as a listing or a read describes it.
struct ObjectInfo {
  std::string key;  // any bytes, at most kMaxKeyBytes
  std::uint64_t size = 0;
  // Listings and ranged reads without if_match may leave it empty where it costs a read of the
  // whole body (FileStore); whole reads and stat never do.
  Tag tag;
  Timestamp last_modified;
  std::string version_id;  // "" where the store keeps no versions, and in listings
  std::string media_type;  // "" where the store does not say
  // What its writer said of it (x-amz-meta-*), sorted by name, names distinct. Reads and stats
  // only.
  std::vector<std::pair<std::string, std::string>> metadata;
  // Whether last_modified is so close to the moment it was seen that a later change could carry the
  // same one: look again next time (local files; docs/sync.md).
  bool racy = false;
  std::string storage_class;  // as the store names it; "" for its standard one
  // Its bytes are not there to be read until somebody restores them: reads answer kArchived.
  bool archived = false;
  // Of listings of a source with sidecars (ingest/listing.h): the version of its own; "": none.
  std::string sidecar;
};

struct ReadRequest {
  std::string key;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length;  // to the end if absent; 0 gives an empty body
  std::optional<Tag> if_match;
  std::string version_id;  // "" for the current version
  // Nothing is read while the object has this tag (If-None-Match): see Blob::unchanged.
  std::optional<Tag> unless_match = {};
  // Told, where it is there and the store knows earlier, of the body once it has come, before the
  // read returns: in any thread, of several requests one after the other or at once. A hint: what
  // is returned in the end may be an error, or come a second time.
  std::function<void(ByteView body)> arrived = {};
};

struct Blob {
  Bytes body;
  ObjectInfo info;  // of the whole object
  // The store's clock between the call and its answer: whatever is written after the answer is
  // written after it. Zero where a store that cannot be written has no clock to show
  // (docs/stores.md).
  Timestamp store_time;
  // The object has the tag of unless_match: there is no body, and of `info` only key and tag are
  // there.
  bool unchanged = false;
  bool hedged = false;  // the request was sent a second time, since its answer was late
};

struct Stat {
  ObjectInfo info;
  Timestamp store_time;
  bool hedged = false;  // as in a Blob
};

struct PutRequest {
  std::string key;
  ByteView body;  // borrowed for the call
  // Told, where it is there, which bytes of the body have been taken, so that a caller whose body
  // is a mapped file can let go of their memory. They may be read again all the same. Called from
  // any thread, of one body also from several at once.
  std::function<void(std::uint64_t offset, std::uint64_t size)> taken = {};
  // A descriptor, where the body is all of a file that has no name and that nobody writes to any
  // more: a store in a folder of its file system gives it a name instead of copying it.
  int file = -1;
};

struct Written {
  Tag tag;
  Timestamp store_time;  // at or before the Last-Modified that the store gave it, never after
};

// Names and values that somebody put on an object, sorted by name, names distinct. They may change
// while the object stays: neither its tag nor a listing shows it.
using ObjectTags = std::vector<std::pair<std::string, std::string>>;

// What a store keeps of the keys under a prefix beside the objects that a listing shows.
struct Leftovers {
  std::uint64_t versions = 0;  // noncurrent ones
  std::uint64_t markers = 0;   // delete markers with no version left below them
  std::uint64_t uploads = 0;   // multipart uploads that nobody finished
  std::uint64_t bytes = 0;     // of the versions
};

// What sweep() may delete.
struct SweepRequest {
  std::string prefix;
  Timestamp before;      // of what is left over since then nothing goes
  bool dry_run = false;  // only counts
  // Whether what is left over of this key may go; empty: of every key under the prefix.
  std::function<bool(std::string_view key)> ours = {};
};

// What an operator should know of a store that no read or write shows.
struct StoreFact {
  std::string name;  // "versioning", "object lock", "listing permitted"
  bool ok = true;
  bool warning = false;
  std::string detail;  // what was seen, and what it means or what to do
};

inline constexpr std::size_t kMaxKeyBytes = 1024;
inline constexpr std::size_t kMaxListPage = 1000;

// A listing in progress. One thread at a time.
class Listing {
 public:
  virtual ~Listing() = default;
  // The next objects, at most kMaxListPage; none means that the listing is complete. After an error
  // the listing is over and proves nothing about what it did not show.
  virtual Result<std::vector<ObjectInfo>> next(Deadline deadline) = 0;
  // Whether keys come in byte order. Some stores (directory buckets, posix gateways, local folders)
  // do not sort.
  [[nodiscard]] virtual bool ordered() const = 0;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // Reads all requests in parallel: one result or error each, in the order asked, so that one bad
  // key fails nobody else. kNotFound: no such key, and the store would say so (a store that hides
  // absence says kDenied). kConflict: if_match did not hold. unless_match may be
  // ignored: a store that does not know it reads the object. kArchived: restore it first. kInvalid:
  // a range that begins at or past the end, and not at 0. One that ends past the end is cut.
  virtual std::vector<Result<Blob>> read(std::span<const ReadRequest> requests,
                                         Deadline deadline) = 0;

  // As read, without bodies. Ranges and unless_match are ignored.
  virtual std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests,
                                         Deadline deadline) = 0;

  // What the current versions are tagged with, all in parallel. kUnsupported: this store tags
  // nothing.
  virtual std::vector<Result<ObjectTags>> tags(std::span<const std::string> keys,
                                               Deadline deadline);

  // Writes or replaces, all in parallel. For immutable files under random keys, so that repeating
  // one is harmless.
  virtual std::vector<Result<Written>> put(std::span<const PutRequest> requests,
                                           Deadline deadline) = 0;

  // Writes only if the key does not exist (If-None-Match: *). kConflict: this request found the key
  // taken (perhaps by an earlier copy of itself). kUnavailable: it may or may not have happened.
  virtual Result<Written> create(std::string_view key, ByteView body, Deadline deadline) = 0;

  // Replaces the state `expected`, for heads (If-Match). kConflict: this request was refused, the
  // key missing or its state another; an earlier or doubled copy may have landed. kUnavailable: it
  // may or may not have happened, now or later, so nothing below repeats it; read back to learn
  // (docs/commit.md).
  virtual Result<Written> swap(std::string_view key, const Tag& expected, ByteView body,
                               Deadline deadline) = 0;

  // Deletes; removing what is not there succeeds. One result each.
  virtual std::vector<Result<void>> remove(std::span<const std::string> keys,
                                           Deadline deadline) = 0;

  // Every object whose key begins with `prefix` and, in an ordered listing, comes after
  // `start_after`.
  virtual std::unique_ptr<Listing> list(std::string_view prefix, std::string_view start_after) = 0;

  // The store's clock. Decides ages and orders; local clocks decide nothing.
  virtual Result<Timestamp> now(Deadline deadline) = 0;

  // Deletes for good what is left over of the keys that the request means, by version id where
  // there are versions. Nothing that a listing shows is touched. A store that keeps nothing more
  // than it shows has nothing to do.
  virtual Result<Leftovers> sweep(const SweepRequest& request, Deadline deadline);

  // A link that reads what the request names for `valid`, with the rights of whoever made it;
  // if_match and ranges are not part of it. kUnsupported: this store has none.
  virtual Result<std::string> presign(const ReadRequest& request, Duration valid,
                                      Deadline deadline);

  // For doctor. Each fact costs a request or two.
  virtual std::vector<StoreFact> facts(Deadline deadline);

  // For messages: "folder docs", "s3://bucket/prefix".
  [[nodiscard]] virtual std::string describe() const = 0;
};

// Batches of one, for callers that need no more.
Result<Blob> read_one(ObjectStore& store, ReadRequest request, Deadline deadline);
Result<Stat> stat_one(ObjectStore& store, std::string_view key, Deadline deadline);
Result<Written> put_one(ObjectStore& store, std::string_view key, ByteView body, Deadline deadline);

}  // namespace kedge
