// A store in the memory of this process, for tests and simulations: a map under one mutex.
// Every call is atomic and never waits, so deadlines do not matter.
//
// Threads: any method, from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "store/object_store.h"

namespace kedge {

enum class MemoryTags {
  kContent,  // a hash of the body, as file stores and most S3 objects have: equal bytes, equal tag
  kUnique,   // another tag for each write
};

struct MemoryStoreOptions {
  MemoryTags tags = MemoryTags::kContent;
  // Whether listings come in byte order. If not, they come in the order of a hash of the key, and
  // start_after is ignored.
  bool ordered = true;
  // The store's clock is cut to a multiple of this; S3's shows whole seconds. At least 1 us.
  Duration clock_step{1};
  std::size_t page = kMaxListPage;
};

class MemoryStore final : public ObjectStore {
 public:
  // `clock` is the store's own, which callers' clocks may differ from. It must outlive the store.
  explicit MemoryStore(Clock& clock, MemoryStoreOptions options = {})
      : clock_(clock), options_(options) {}

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests, Deadline) override;
  std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests, Deadline) override;
  std::vector<Result<Written>> put(std::span<const PutRequest> requests, Deadline) override;
  Result<Written> create(std::string_view key, ByteView body, Deadline) override;
  Result<Written> swap(std::string_view key, const Tag& expected, ByteView body, Deadline) override;
  std::vector<Result<void>> remove(std::span<const std::string> keys, Deadline) override;
  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view start_after) override;
  Result<Timestamp> now(Deadline) override;
  [[nodiscard]] std::string describe() const override { return "memory"; }

 private:
  friend class MemoryListing;
  struct Object {
    Bytes body;
    ObjectInfo info;
  };
  using ObjectPtr = std::shared_ptr<const Object>;

  // The object a request names, if its if_match holds.
  Result<ObjectPtr> find(const ReadRequest& request, Timestamp* time);
  Written write(std::string_view key, ByteView body);  // under the mutex
  [[nodiscard]] Timestamp time() const;

  Clock& clock_;
  const MemoryStoreOptions options_;
  std::mutex mutex_;
  std::map<std::string, ObjectPtr, std::less<>> objects_;
  std::uint64_t writes_ = 0;
};

}  // namespace kedge
