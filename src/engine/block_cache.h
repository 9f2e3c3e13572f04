// Checked pieces of immutable files, kept in memory up to a limit: the least recently used goes
// first.
//
// Threads: any. The mutex is held for a look-up only; what is returned is shared and immutable.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/bytes.h"
#include "base/hash.h"
#include "format/segment.h"

namespace kedge {

// One page, checked. A block of vectors is parsed once, when it enters memory: parsing reads every
// byte of it.
struct Block {
  Bytes bytes;
  VectorBlock vectors;  // borrows bytes; empty for other pages
};
using BlockPtr = std::shared_ptr<const Block>;

class BlockCache {
 public:
  explicit BlockCache(std::uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // nullptr: not there.
  BlockPtr find(const Id128& file, std::uint64_t offset);
  void insert(const Id128& file, std::uint64_t offset, BlockPtr block);
  [[nodiscard]] std::uint64_t bytes();

 private:
  struct Key {
    Id128 file;
    std::uint64_t offset = 0;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const;
  };
  struct Entry {
    Key key;
    BlockPtr block;
  };
  static std::uint64_t cost(const BlockPtr& block) {
    return block->bytes.size() + sizeof(Entry) + 64;
  }

  std::uint64_t max_bytes_;
  std::mutex mutex_;
  std::list<Entry> order_;  // most recently used first
  std::unordered_map<Key, std::list<Entry>::iterator, Hash> entries_;
  std::uint64_t bytes_ = 0;
};

}  // namespace kedge
