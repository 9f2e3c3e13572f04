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

std::vector<BlockPtr> BlockCache::find(std::span<const Key> keys) {
  std::vector<BlockPtr> found(keys.size());
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto at = entries_.find(keys[i]);
    if (at == entries_.end()) continue;
    at->second->used_in = scan_;
    order_.splice(order_.begin(), order_, at->second);
    found[i] = at->second->entry.block;
  }
  return found;
}

void BlockCache::insert(std::vector<Entry> entries, Keep keep) {
  if (keep == Keep::kNever) return;
  const std::lock_guard lock(mutex_);
  for (Entry& entry : entries) {
    const std::uint64_t size = cost(entry.block);
    if (entries_.contains(entry.key) || !make_room(size, keep)) continue;
    const Key key = entry.key;
    order_.push_front({.entry = std::move(entry), .used_in = scan_});
    entries_[key] = order_.begin();
    bytes_ += size;
  }
}

bool BlockCache::make_room(std::uint64_t size, Keep keep) {
  if (size > max_bytes_) return false;
  while (bytes_ + size > max_bytes_) {
    const Kept& last = order_.back();
    if (keep == Keep::kIfRoom && last.used_in + 1 >= scan_) return false;
    bytes_ -= cost(last.entry.block);
    entries_.erase(last.entry.key);
    order_.pop_back();
  }
  return true;
}

void BlockCache::begin_scan() {
  const std::lock_guard lock(mutex_);
  ++scan_;
}

std::uint64_t BlockCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace kedge
