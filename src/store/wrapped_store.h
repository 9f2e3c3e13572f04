// A store on another one that does nothing of its own: the base of the wrappers, which override
// what they change.
#pragma once

#include <string>

#include "store/object_store.h"

namespace kedge {

class WrappedStore : public ObjectStore {
 public:
  // `inner` must outlive the wrapper and its listings.
  explicit WrappedStore(ObjectStore& inner) : inner_(inner) {}
  // A wrapper on a wrapper must not become a copy of it: that would leave its work out.
  WrappedStore(const WrappedStore&) = delete;
  WrappedStore& operator=(const WrappedStore&) = delete;

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    return inner_.read(requests, deadline);
  }
  std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    return inner_.stat(requests, deadline);
  }
  std::vector<Result<ObjectTags>> tags(std::span<const std::string> keys,
                                       Deadline deadline) override {
    return inner_.tags(keys, deadline);
  }
  std::vector<Result<Written>> put(std::span<const PutRequest> requests,
                                   Deadline deadline) override {
    return inner_.put(requests, deadline);
  }
  Result<Written> create(std::string_view key, ByteView body, Deadline deadline) override {
    return inner_.create(key, body, deadline);
  }
  Result<Written> swap(std::string_view key, const Tag& expected, ByteView body,
                       Deadline deadline) override {
    return inner_.swap(key, expected, body, deadline);
  }
  std::vector<Result<void>> remove(std::span<const std::string> keys, Deadline deadline) override {
    return inner_.remove(keys, deadline);
  }
  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view start_after) override {
    return inner_.list(prefix, start_after);
  }
  Result<Timestamp> now(Deadline deadline) override { return inner_.now(deadline); }
  Result<Leftovers> sweep(const SweepRequest& request, Deadline deadline) override {
    return inner_.sweep(request, deadline);
  }
  Result<std::string> presign(const ReadRequest& request, Duration valid,
                              Deadline deadline) override {
    return inner_.presign(request, valid, deadline);
  }
  std::vector<StoreFact> facts(Deadline deadline) override { return inner_.facts(deadline); }
  [[nodiscard]] std::string describe() const override { return inner_.describe(); }

 protected:
  [[nodiscard]] ObjectStore& inner() const { return inner_; }

 private:
  ObjectStore& inner_;
};

}  // namespace kedge
