// The head's envelope: all that commits, history and garbage collection need, and nothing of an
// index. The payload is opaque here. docs/format.md, "Head".
#pragma once

#include <cstdint>
#include <string>
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
  bool dropped = false;
  Timestamp committed_at;  // the store's clock when the commit began, for people; decides nothing
  Timestamp gc_floor;      // nothing unnamed and modified before it may be named by a child
  std::uint64_t retained_from = 1;  // the oldest generation whose files still exist, pins apart
  Duration retention{};
  Duration grace{};
  std::vector<std::pair<std::uint64_t, Id128>>
      recent;  // the last kRecentPairs generations, itself included, newest first
  std::vector<Pin> pins;
  std::vector<std::string>
      features;                // required ones, by name; a reader refuses what it does not know
  std::vector<FileRef> files;  // everything the payload names, sorted by key
  Bytes payload;

  [[nodiscard]] Bytes encode() const;
  // kCorrupt naming the rule and offset; kUnsupported naming an unknown required feature or
  // version.
  static Result<Envelope> parse(ByteView bytes);
  bool operator==(const Envelope&) const = default;
};

inline constexpr std::size_t kRecentPairs = 64;
inline constexpr std::size_t kMaxPins = 256;
inline constexpr std::size_t kMaxFiles = 4096;

}  // namespace kedge
