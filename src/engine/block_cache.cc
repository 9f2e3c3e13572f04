#include "engine/block_cache.h"

#include <cstring>
#include <utility>

namespace kedge {

std::size_t BlockCache::Hash::operator()(const Key& key) const {
  // File ids are random: any 8 bytes of one are a hash.
  std::uint64_t word = 0;
  std::memcpy(&word, key.file.bytes.data(), sizeof word);
  return word ^ (key.offset * 0x9E3779B97F4A7C15ULL);
}

BlockPtr BlockCache::find(const Id128& file, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find({file, offset});
  if (found == entries_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  return found->second->block;
}

void BlockCache::insert(const Id128& file, std::uint64_t offset, BlockPtr block) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t size = cost(block);
  if (size > max_bytes_ || entries_.contains({file, offset})) return;
  order_.push_front({{file, offset}, std::move(block)});
  entries_[{file, offset}] = order_.begin();
  bytes_ += size;
  while (bytes_ > max_bytes_) {
    bytes_ -= cost(order_.back().block);
    entries_.erase(order_.back().key);
    order_.pop_back();
  }
}

std::uint64_t BlockCache::bytes() {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace kedge
