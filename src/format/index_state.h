// The payload of an index's head: its spaces, sources and segments. docs/format.md, "Index state".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/hash.h"
#include "format/envelope.h"
#include "format/space.h"

namespace kedge {

// An order-independent sum of hashes of (key, tag, size, last_modified) over the live rows of a
// source: two sets are equal if their sums are. Addition modulo 2^128 of XXH3-128.
struct SetHash {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const SetHash&) const = default;
  void add(const SetHash& other);
  void subtract(const SetHash& other);
  [[nodiscard]] std::string hex() const;
  // `sidecar`: the version of what describes the object; "": nothing does. `tagged`: its tags are
  // among its metadata.
  static SetHash of(std::string_view key, std::string_view tag, std::uint64_t size,
                    Timestamp last_modified, std::string_view sidecar = {}, bool tagged = false);
};

// How a source becomes vectors. Another recipe means that every object counts as changed.
struct Recipe {
  std::uint32_t extractor_version = 0;
  std::uint32_t chunker_version = 0;
  std::uint32_t max_tokens = 0;
  std::uint32_t target_tokens = 0;
  std::uint64_t max_object_bytes = 0;
  Id128 space;
  bool operator==(const Recipe&) const = default;
  [[nodiscard]] Id128 id() const;
};

struct SourceEntry {
  std::uint32_t number = 0;  // never reused
  std::string uri;           // canonical; sources do not overlap
  Recipe recipe;
  std::vector<std::string> include;  // glob patterns; empty: all
  std::vector<std::string> exclude;
  bool hidden = false;    // local sources: whether hidden files are in scope
  bool gitignore = true;  // local sources: whether .gitignore is honoured
  bool sidecars = false;  // NAME.metadata.json is the metadata of NAME
  bool tags = false;      // the tags of objects are metadata
  // Kept by the engine at every commit, from the intents themselves.
  SetHash set_hash;
  std::uint64_t live_objects = 0;
  std::uint64_t failed_objects =
      0;  // live rows by status, so that an unchanged source is reported without reading them
  std::uint64_t skipped_objects = 0;
  std::uint64_t pending_objects = 0;
  std::uint64_t racy_objects =
      0;  // live rows with racy set: the set hash alone proves nothing about them
  Timestamp earliest_retry;  // of live failed rows; a lower bound; zero: none
  // Written by sync.
  Timestamp last_reconcile;  // the store's clock when the last complete listing began
  std::uint64_t withheld_deletes =
      0;  // proven absent, more than the guard lets go without approval
  bool operator==(const SourceEntry&) const = default;
};

struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  bool operator==(const Extent&) const = default;
};

// Where the planes of a segment lie. terms and attributes have their places and are empty in this
// version of the format.
enum class Plane : std::uint8_t {
  kDocs,
  kText,
  kKeys,
  kVectors,
  kCodes,
  kRefine,
  kTerms,
  kAttributes,
  kDirectory
};
inline constexpr std::size_t kPlaneCount = 9;

struct SegmentEntry {
  Id128 id;
  std::uint64_t bytes = 0;
  std::uint32_t objects = 0;  // rows of the docs plane, dead ones included
  std::uint32_t rows = 0;     // rows of the vectors plane, dead ones included
  std::uint8_t level = 0;     // 0: written by a sync; merges of level n give n + 1
  std::string
      lower;  // bounds of (source as 4 big-endian bytes, key), at most 64 bytes: lower is cut,
  std::string
      upper;    // upper is cut and, if cut, is to be read as "and everything that begins with it"
  Id128 space;  // Space::id()
  Id128 tree;   // TreeEntry::id; zero: one list
  std::array<Extent, kPlaneCount> planes;
  std::uint32_t directory_crc = 0;
  Bytes directory;  // inlined while all directories together stay under kMaxInlineDirectories; else
                    // empty
  // Dead objects: those of the file, and these.
  Id128 del_file;  // the random part of its name; zero: none
  std::uint64_t del_bytes = 0;
  std::uint32_t del_count = 0;
  std::vector<std::uint32_t> dead;  // sorted object numbers, none of them in the file
  bool operator==(const SegmentEntry&) const = default;

  [[nodiscard]] std::string file_key() const;  // "seg/<hh>/<id>"
  [[nodiscard]] std::string del_key()
      const;  // "del/<id>-<random>"; precondition: del_file is not zero
  [[nodiscard]] std::uint32_t dead_objects() const {
    return del_count + static_cast<std::uint32_t>(dead.size());
  }
};

// How many lists have to be looked into to find `recall` of the k = 10 nearest rows, and how many
// of the best to measure exactly: calibrated on rows of the index itself (engine/calibrate.h).
struct ProbePoint {
  std::uint32_t recall = 0;  // in thousandths, 1 to 1000
  std::uint32_t probes = 0;  // lists, at least 1
  std::uint32_t rerank = 0;  // rows measured on the vectors plane; 0: five bits are enough
  bool operator==(const ProbePoint&) const = default;
};

// A tree that segments share: docs/format.md, "Tree".
struct TreeEntry {
  Id128 id;
  Id128 space;
  std::uint64_t bytes = 0;
  std::uint32_t leaves = 0;
  std::uint64_t rows = 0;          // live rows when it was trained
  std::vector<ProbePoint> points;  // increasing in recall and probes
  bool operator==(const TreeEntry&) const = default;
  [[nodiscard]] std::string file_key() const;  // "tree/<id>"
};

struct IndexState {
  std::vector<Space> spaces;
  std::vector<SourceEntry> sources;  // by number
  std::uint32_t next_source = 1;
  std::vector<TreeEntry> trees;        // the newest of a space first; at most two a space
  std::vector<SegmentEntry> segments;  // newest first

  // nullptr: no such tree; the newest of the space.
  [[nodiscard]] const TreeEntry* tree(const Id128& id) const;
  [[nodiscard]] const TreeEntry* newest_tree(const Id128& space) const;

  // kInvalid with the first rule of docs/format.md that the state breaks. A writer asks before it
  // encodes, because parse() refuses what check() does.
  [[nodiscard]] Status check() const;
  [[nodiscard]] Bytes encode() const;
  // kCorrupt with the rule and offset; kUnsupported for another version.
  static Result<IndexState> parse(ByteView bytes);
  // Every file named, sorted by key, for the envelope.
  [[nodiscard]] std::vector<FileRef> files() const;
  bool operator==(const IndexState&) const = default;
};

inline constexpr std::size_t kMaxSegments = 256;
inline constexpr std::size_t kMaxSources = 1024;
inline constexpr std::size_t kMaxSpaces = 16;
inline constexpr std::size_t kMaxTrees = 2 * kMaxSpaces;
inline constexpr std::size_t kMaxProbePoints = 16;  // a tree
inline constexpr std::size_t kMaxInlineDirectories = 64 * 1024;
inline constexpr std::size_t kMaxInlineDead = 512;        // a segment
inline constexpr std::size_t kMaxInlineDeadTotal = 4096;  // an index
inline constexpr std::size_t kMaxBound = 64;
inline constexpr std::size_t kMaxUri = 4096;
inline constexpr std::size_t kMaxPatterns = 1024;  // of include, and of exclude
inline constexpr std::size_t kMaxPattern = 4096;
inline constexpr std::uint8_t kMaxLevel = 63;
inline constexpr std::uint64_t kMaxSegmentBytes = std::uint64_t{1} << 46;

}  // namespace kedge
