// The operations of an ObjectStore as values, for the wrappers that count, fail, delay or schedule
// them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/object_store.h"

namespace kedge {

enum class Operation { kRead, kStat, kTags, kPut, kCreate, kSwap, kRemove, kList, kNow };
inline constexpr std::size_t kOperationCount = 9;

// "read", "stat", ...
std::string_view operation_name(Operation operation);

// Whether it changes the store.
inline bool is_write(Operation operation) {
  return operation == Operation::kPut || operation == Operation::kCreate ||
         operation == Operation::kSwap || operation == Operation::kRemove;
}

// One call of a store: a batch is one call. Each page of a listing is a call of its own, its key
// the prefix; now() has no key.
struct Call {
  Operation operation = Operation::kRead;
  std::vector<std::string> keys;
};

Call call_of(Operation operation, std::span<const ReadRequest> requests);
Call call_of(std::span<const PutRequest> requests);
Call call_of(Operation operation, std::string_view key);
Call call_of(Operation operation, std::span<const std::string> keys);

}  // namespace kedge
