// The keys of another store that begin with a prefix, seen without it.
//
// Threads: any method, from any thread.
#pragma once

#include <string>

#include "store/wrapped_store.h"

namespace kedge {

class PrefixStore final : public WrappedStore {
 public:
  // `prefix` is "" or ends with '/'.
  PrefixStore(ObjectStore& inner, std::string prefix)
      : WrappedStore(inner), prefix_(std::move(prefix)) {}

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests, Deadline deadline) override;
  std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests, Deadline deadline) override;
  std::vector<Result<ObjectTags>> tags(std::span<const std::string> keys,
                                       Deadline deadline) override;
  std::vector<Result<Written>> put(std::span<const PutRequest> requests,
                                   Deadline deadline) override;
  Result<Written> create(std::string_view key, ByteView body, Deadline deadline) override;
  Result<Written> swap(std::string_view key, const Tag& expected, ByteView body,
                       Deadline deadline) override;
  std::vector<Result<void>> remove(std::span<const std::string> keys, Deadline deadline) override;
  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view start_after) override;
  Result<Leftovers> sweep(const SweepRequest& request, Deadline deadline) override;
  Result<std::string> presign(const ReadRequest& request, Duration valid,
                              Deadline deadline) override;
  [[nodiscard]] std::string describe() const override;

 private:
  // An empty key stays empty, so that the store refuses it.
  [[nodiscard]] std::string full(std::string_view key) const {
    return key.empty() ? std::string() : prefix_ + std::string(key);
  }
  [[nodiscard]] std::vector<ReadRequest> full(std::span<const ReadRequest> requests) const;
  [[nodiscard]] std::vector<std::string> full(std::span<const std::string> keys) const;

  const std::string prefix_;
};

}  // namespace kedge
