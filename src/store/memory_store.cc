#include "store/memory_store.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/strings.h"
#include "store/range.h"

namespace kedge {

// Ordered: pages are cut from the map as it is when they are asked for, as S3 does. Unordered: the
// keys are fixed with the first page.
class MemoryListing final : public Listing {
 public:
  MemoryListing(MemoryStore& store, std::string prefix, std::string start_after)
      : store_(store), prefix_(std::move(prefix)), after_(std::move(start_after)) {}

  Result<std::vector<ObjectInfo>> next(Deadline) override {
    const std::lock_guard lock(store_.mutex_);
    return ordered() ? next_ordered() : next_unordered();
  }
  [[nodiscard]] bool ordered() const override { return store_.options_.ordered; }

 private:
  std::vector<ObjectInfo> next_ordered() {
    std::vector<ObjectInfo> page;
    auto at = after_ >= prefix_ && !after_.empty() ? store_.objects_.upper_bound(after_)
                                                   : store_.objects_.lower_bound(prefix_);
    for (; at != store_.objects_.end() && page.size() < store_.options_.page; ++at) {
      if (!at->first.starts_with(prefix_)) break;
      page.push_back(at->second->info);
    }
    if (!page.empty()) after_ = page.back().key;
    return page;
  }

  std::vector<ObjectInfo> next_unordered() {
    if (!started_) {
      for (const auto& [key, object] : store_.objects_)
        if (key.starts_with(prefix_)) keys_.push_back(key);
      std::ranges::sort(keys_, {}, [](const std::string& key) { return xxh3_128(as_bytes(key)); });
      started_ = true;
    }
    std::vector<ObjectInfo> page;
    for (; at_ < keys_.size() && page.size() < store_.options_.page; ++at_) {
      const auto found = store_.objects_.find(keys_[at_]);
      if (found != store_.objects_.end()) page.push_back(found->second->info);
    }
    return page;
  }

  MemoryStore& store_;
  const std::string prefix_;
  std::string after_;
  std::vector<std::string> keys_;
  std::size_t at_ = 0;
  bool started_ = false;
};

Timestamp MemoryStore::time() const {
  const std::int64_t step = options_.clock_step.count();
  const std::int64_t micros = clock_.now().micros;
  return {micros - micros % step};
}

Result<MemoryStore::ObjectPtr> MemoryStore::find(const ReadRequest& request, Timestamp* time) {
  KEDGE_TRY(check_key_size(request.key));
  if (!request.version_id.empty())
    return {Code::kUnsupported, "the memory store keeps no versions"};
  const std::lock_guard lock(mutex_);
  *time = this->time();
  const auto found = objects_.find(request.key);
  if (found == objects_.end())
    return {Code::kNotFound, str_cat("no object '", printable(request.key), "'")};
  if (request.if_match && *request.if_match != found->second->info.tag)
    return {Code::kConflict, str_cat("'", printable(request.key), "' has another tag")};
  return found->second;
}

std::vector<Result<Blob>> MemoryStore::read(std::span<const ReadRequest> requests, Deadline) {
  std::vector<Result<Blob>> results;
  results.reserve(requests.size());
  for (const ReadRequest& request : requests) {
    results.push_back([&]() -> Result<Blob> {
      Timestamp time;
      const ObjectPtr object = KEDGE_TRY(find(request, &time));
      if (request.unless_match == object->info.tag) return unchanged_blob(request, time);
      const Range range = KEDGE_TRY(range_of(request, object->body.size()));
      const ByteView part = ByteView(object->body).subspan(range.offset, range.length);
      return Blob{Bytes(part.begin(), part.end()), object->info, time};
    }());
  }
  return results;
}

std::vector<Result<Stat>> MemoryStore::stat(std::span<const ReadRequest> requests, Deadline) {
  std::vector<Result<Stat>> results;
  results.reserve(requests.size());
  for (const ReadRequest& request : requests) {
    results.push_back([&]() -> Result<Stat> {
      Timestamp time;
      const ObjectPtr object = KEDGE_TRY(find(request, &time));
      return Stat{object->info, time};
    }());
  }
  return results;
}

Written MemoryStore::write(std::string_view key, ByteView body) {
  ++writes_;
  auto object = std::make_shared<Object>();
  object->body.assign(body.begin(), body.end());
  object->info.key = key;
  object->info.size = body.size();
  object->info.last_modified = time();
  object->info.tag.value =
      options_.tags == MemoryTags::kContent ? xxh3_128(body).hex() : str_cat("w", writes_);
  Written written{object->info.tag, object->info.last_modified};
  objects_.insert_or_assign(std::string(key), std::move(object));
  return written;
}

std::vector<Result<Written>> MemoryStore::put(std::span<const PutRequest> requests, Deadline) {
  std::vector<Result<Written>> results;
  results.reserve(requests.size());
  for (const PutRequest& request : requests) {
    if (Status bad = check_key_size(request.key); !bad.ok()) {
      results.emplace_back(std::move(bad).error());
      continue;
    }
    const std::lock_guard lock(mutex_);
    results.emplace_back(write(request.key, request.body));
  }
  return results;
}

Result<Written> MemoryStore::create(std::string_view key, ByteView body, Deadline) {
  KEDGE_TRY(check_key_size(key));
  const std::lock_guard lock(mutex_);
  if (objects_.contains(key))
    return {Code::kConflict, str_cat("'", printable(key), "' exists already")};
  return write(key, body);
}

Result<Written> MemoryStore::swap(std::string_view key, const Tag& expected, ByteView body,
                                  Deadline) {
  KEDGE_TRY(check_key_size(key));
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key);
  if (found == objects_.end())
    return {Code::kConflict, str_cat("'", printable(key), "' does not exist")};
  if (found->second->info.tag != expected)
    return {Code::kConflict, str_cat("'", printable(key), "' has another tag")};
  return write(key, body);
}

std::vector<Result<void>> MemoryStore::remove(std::span<const std::string> keys, Deadline) {
  std::vector<Result<void>> results;
  results.reserve(keys.size());
  for (const std::string& key : keys) {
    results.push_back(check_key_size(key));
    const std::lock_guard lock(mutex_);
    objects_.erase(key);
  }
  return results;
}

std::unique_ptr<Listing> MemoryStore::list(std::string_view prefix, std::string_view start_after) {
  return std::make_unique<MemoryListing>(*this, std::string(prefix), std::string(start_after));
}

Result<Timestamp> MemoryStore::now(Deadline) { return time(); }

}  // namespace kedge
