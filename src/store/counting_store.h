// Counts what passes through to another store: for --explain, for bills, and for tests that promise
// a number of requests.
//
// Threads: any method, from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>

#include "store/operation.h"
#include "store/wrapped_store.h"

namespace kedge {

struct OperationCount {
  std::uint64_t calls = 0;     // batches: dependent calls are rounds
  std::uint64_t requests = 0;  // what a bucket bills: each key of a batch, each page of a listing
  std::uint64_t hedges = 0;    // of them, sent a second time and answered; a bucket bills both
  std::uint64_t failed = 0;    // requests answered with an error
  std::uint64_t bytes = 0;     // of bodies, read or sent, also of failed writes
  bool operator==(const OperationCount&) const = default;
};

struct StoreCounts {
  std::array<OperationCount, kOperationCount> by_operation{};

  [[nodiscard]] const OperationCount& of(Operation operation) const {
    return by_operation[static_cast<std::size_t>(operation)];
  }
  [[nodiscard]] std::uint64_t requests() const;
  [[nodiscard]] std::uint64_t bytes_read() const { return of(Operation::kRead).bytes; }
  [[nodiscard]] std::uint64_t bytes_written() const;
  // What was counted since `earlier`, a snapshot of the same store.
  StoreCounts operator-(const StoreCounts& earlier) const;
  bool operator==(const StoreCounts&) const = default;
};

class CountingStore final : public WrappedStore {
 public:
  // Which keys (of listings: prefixes) to count; all if empty. To count several kinds of keys
  // apart, put one CountingStore on another.
  using Counted = std::function<bool(std::string_view key)>;

  explicit CountingStore(ObjectStore& inner, Counted counted = {})
      : WrappedStore(inner), counted_(std::move(counted)) {}

  [[nodiscard]] StoreCounts counts() const;

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
  // Counted whatever the keys, with no request: no store bills for it, and most answer from what
  // they saw last.
  Result<Timestamp> now(Deadline deadline) override;

 private:
  friend class CountingListing;
  [[nodiscard]] bool is_counted(std::string_view key) const { return !counted_ || counted_(key); }
  void add(Operation operation, const OperationCount& count);

  const Counted counted_;
  mutable std::mutex mutex_;
  StoreCounts counts_;
};

}  // namespace kedge
