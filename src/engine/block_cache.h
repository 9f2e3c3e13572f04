// Checked pieces of immutable files, kept in memory up to a limit: the least recently used goes
// first, but a scan of more than fits does not push out what it will want next time.
//
// Threads: any. The mutex is held for look-ups only; what is returned is shared and immutable.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "format/segment.h"

namespace kedge {

// One page, checked. A block of vectors is parsed once, when it enters memory: parsing reads every
// byte of it.
struct Block {
  Bytes bytes;
  VectorBlock vectors;  // borrows bytes; empty for other pages
  CodeList codes;       // likewise
};
using BlockPtr = std::shared_ptr<const Block>;

// How what was read is kept.
enum class Keep {
  kAlways,  // the least recently used make room
  kIfRoom,  // only what was used neither in this scan nor in the one before makes room
  kNever,   // read once: merges
};

class BlockCache {
 public:
  struct Key {
    Id128 file;
    std::uint64_t offset = 0;
    bool operator==(const Key&) const = default;
  };
  struct Entry {
    Key key;
    BlockPtr block;
  };

  explicit BlockCache(std::uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // One a key, in order; nullptr: not there. What is found counts as used.
  std::vector<BlockPtr> find(std::span<const Key> keys);
  // Of an entry that is there already the older copy stays.
  void insert(std::vector<Entry> entries, Keep keep);
  // A scan of everything begins: see Keep::kIfRoom.
  void begin_scan();
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  struct Hash {
    std::size_t operator()(const Key& key) const;
  };
  struct Kept {
    Entry entry;
    std::uint64_t used_in = 0;  // the number of the scan
  };
  static std::uint64_t cost(const BlockPtr& block) {
    return block->bytes.size() + sizeof(Kept) + 64;
  }
  bool make_room(std::uint64_t size, Keep keep);

  std::uint64_t max_bytes_;
  mutable std::mutex mutex_;
  std::list<Kept> order_;  // most recently used first
  std::unordered_map<Key, std::list<Kept>::iterator, Hash> entries_;
  std::uint64_t bytes_ = 0;
  std::uint64_t scan_ = 2;  // so that entries of no scan at all are older than the one before
};

}  // namespace kedge
