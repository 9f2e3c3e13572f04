// For the tests of commit/: objects in memory under a clock that the test owns.
//
// Threads: any.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "store/object_store.h"
#include "store/range.h"

namespace kedge {

class FakeStore final : public ObjectStore {
 public:
  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests, Deadline) override {
    const std::lock_guard lock(mutex_);
    std::vector<Result<Blob>> results;
    for (const ReadRequest& request : requests) {
      const auto at = objects_.find(request.key);
      if (at == objects_.end()) {
        results.push_back({Code::kNotFound, "no such key: " + request.key});
        continue;
      }
      const auto& [body, info] = at->second;
      if (request.unless_match == info.tag) {
        results.push_back(unchanged_blob(request, time_));
        continue;
      }
      if (request.offset > body.size()) {
        results.push_back({Code::kInvalid, "range past the end: " + request.key});
        continue;
      }
      const std::size_t left = body.size() - request.offset;
      const std::size_t count = std::min<std::size_t>(left, request.length.value_or(left));
      const auto begin = body.begin() + static_cast<std::ptrdiff_t>(request.offset);
      results.push_back(Blob{.body = {begin, begin + static_cast<std::ptrdiff_t>(count)},
                             .info = info,
                             .store_time = time_});
    }
    return results;
  }
  std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests, Deadline) override {
    const std::lock_guard lock(mutex_);
    std::vector<Result<Stat>> results;
    for (const ReadRequest& request : requests) {
      const auto at = objects_.find(request.key);
      if (at == objects_.end()) {
        results.push_back({Code::kNotFound, "no such key: " + request.key});
      } else {
        results.push_back(Stat{.info = at->second.second, .store_time = time_});
      }
    }
    return results;
  }
  std::vector<Result<Written>> put(std::span<const PutRequest> requests, Deadline) override {
    const std::lock_guard lock(mutex_);
    std::vector<Result<Written>> results;
    for (const PutRequest& request : requests) results.push_back(write(request.key, request.body));
    return results;
  }
  Result<Written> create(std::string_view key, ByteView body, Deadline) override {
    const std::lock_guard lock(mutex_);
    if (objects_.contains(std::string(key))) return {Code::kConflict, "the key exists"};
    return write(std::string(key), body);
  }
  Result<Written> swap(std::string_view key, const Tag& expected, ByteView body,
                       Deadline) override {
    const std::lock_guard lock(mutex_);
    const auto at = objects_.find(std::string(key));
    if (at == objects_.end() || at->second.second.tag != expected)
      return {Code::kConflict, "the state is another"};
    return write(std::string(key), body);
  }
  std::vector<Result<void>> remove(std::span<const std::string> keys, Deadline) override {
    const std::lock_guard lock(mutex_);
    for (const std::string& key : keys) objects_.erase(key);
    return std::vector<Result<void>>(keys.size());
  }
  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view start_after) override {
    return std::make_unique<FakeListing>(*this, std::string(prefix), std::string(start_after));
  }
  Result<Timestamp> now(Deadline) override {
    const std::lock_guard lock(mutex_);
    return time_;
  }
  [[nodiscard]] std::string describe() const override { return "memory"; }

  void advance(Duration duration) {
    const std::lock_guard lock(mutex_);
    time_ = time_ + duration;
  }
  void damage(const std::string& key, std::size_t offset) {
    const std::lock_guard lock(mutex_);
    objects_.at(key).first.at(offset) ^= std::byte{1};
  }

 private:
  class FakeListing final : public Listing {
   public:
    FakeListing(FakeStore& store, std::string prefix, std::string after)
        : store_(store), prefix_(std::move(prefix)), after_(std::move(after)) {}
    Result<std::vector<ObjectInfo>> next(Deadline) override {
      const std::lock_guard lock(store_.mutex_);
      std::vector<ObjectInfo> page;
      auto at = after_ < prefix_ ? store_.objects_.lower_bound(prefix_)
                                 : store_.objects_.upper_bound(after_);
      for (; at != store_.objects_.end() && at->first.starts_with(prefix_); ++at) {
        if (page.size() == kMaxListPage) break;
        page.push_back(at->second.second);
        after_ = at->first;
      }
      return page;
    }
    [[nodiscard]] bool ordered() const override { return true; }

   private:
    FakeStore& store_;
    std::string prefix_;
    std::string after_;
  };

  Written write(const std::string& key, ByteView body) {
    ObjectInfo info;
    info.key = key;
    info.size = body.size();
    info.tag = {xxh3_128(body).hex()};
    info.last_modified = time_;
    objects_[key] = {Bytes(body.begin(), body.end()), info};
    return {.tag = info.tag, .store_time = time_};
  }

  std::mutex mutex_;
  Timestamp time_{1'700'000'000'000'000};
  std::map<std::string, std::pair<Bytes, ObjectInfo>> objects_;
};

}  // namespace kedge
