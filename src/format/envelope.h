// The head's envelope: all that commits, history and garbage collection need, and nothing of an
// index. The payload is opaque here. docs/format.md, "Head".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/hash.h"

namespace kedge {

// A file that a head names, by its key under the index's prefix.
struct FileRef {
  std::string key;
  std::uint64_t size = 0;
  auto operator<=>(const FileRef&) const = default;
};

// Holds a generation against retention until removed by name.
struct Pin {
  std::string name;
  std::uint64_t generation = 0;
  Id128 commit_id;
  Timestamp created;
  bool operator==(const Pin&) const = default;
};

struct Envelope {
  Id128 commit_id;  // random; names the state
  Id128 parent_id;  // zero in generation 1
  std::uint64_t generation = 0;
  bool dropped = false;    // the index ended with this commit; names no files
  Timestamp committed_at;  // the store's clock when the commit began, for people; decides nothing
  Timestamp gc_floor;      // nothing unnamed and modified before it may be named by a child
  std::uint64_t retained_from = 1;  // the oldest generation whose files still exist, pins apart
  Duration retention{};
  Duration grace{};
  // The last kRecentPairs generations, itself included, newest first. Their numbers strictly fall
  // (a repaired head leaves one out); fewer than kRecentPairs only if the last is generation 1.
  std::vector<std::pair<std::uint64_t, Id128>> recent;
  std::vector<Pin> pins;  // sorted by name
  std::vector<std::string>
      features;                // required ones, sorted; a reader refuses what it does not know
  std::vector<FileRef> files;  // everything the payload names, sorted by key
  Bytes payload;

  // Whether every rule of the format holds: kInvalid naming the field. A writer asks before
  // encode(); parse() asks too, so that the rules are stated once.
  [[nodiscard]] Status validate() const;
  // Precondition: validate(). One state has one encoding: encode(parse(x)) == x.
  [[nodiscard]] Bytes encode() const;
  // kCorrupt naming the rule and the offset or field; kUnsupported naming a version or a required
  // feature that is not in `known_features`.
  static Result<Envelope> parse(ByteView bytes, std::span<const std::string> known_features = {});

  // As parse, whatever features it requires: to learn its ids and generations, nothing more.
  static Result<Envelope> parse_any(ByteView bytes);

  // Whether the files of a generation are promised to exist: retained, or held by a pin.
  [[nodiscard]] bool retains(std::uint64_t wanted) const;

  bool operator==(const Envelope&) const = default;
};

inline constexpr std::size_t kMaxHeadBytes = 256 * 1024;
inline constexpr std::size_t kRecentPairs = 64;
inline constexpr std::size_t kMaxPins = 256;
inline constexpr std::size_t kMaxFiles = 4096;
inline constexpr std::size_t kMaxFeatures = 32;
inline constexpr std::size_t kMaxNameBytes = 64;  // of a pin or a feature
inline constexpr std::size_t kMaxFileKeyBytes = 200;
inline constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 48;
inline constexpr Duration kMinGrace = std::chrono::hours(2);
inline constexpr Duration kMaxRetention = std::chrono::hours(24 * 3660);

// 1 to kMaxNameBytes of A-Z a-z 0-9 . _ -: names of pins and features.
bool is_plain_name(std::string_view name);
// A key that a head may name: parts of A-Z a-z 0-9 . _ - between single slashes, none of them "."
// or
// "..", at most kMaxFileKeyBytes, and neither "head" nor under "history/".
bool is_file_key(std::string_view key);

}  // namespace kedge
