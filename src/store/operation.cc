#include "store/operation.h"

namespace kedge {

std::string_view operation_name(Operation operation) {
  switch (operation) {
    case Operation::kRead:
      return "read";
    case Operation::kStat:
      return "stat";
    case Operation::kTags:
      return "tags";
    case Operation::kPut:
      return "put";
    case Operation::kCreate:
      return "create";
    case Operation::kSwap:
      return "swap";
    case Operation::kRemove:
      return "remove";
    case Operation::kList:
      return "list";
    case Operation::kNow:
      return "now";
  }
  return "unknown";
}

Call call_of(Operation operation, std::span<const ReadRequest> requests) {
  Call call{.operation = operation, .keys = {}};
  call.keys.reserve(requests.size());
  for (const ReadRequest& request : requests) call.keys.push_back(request.key);
  return call;
}

Call call_of(std::span<const PutRequest> requests) {
  Call call{.operation = Operation::kPut, .keys = {}};
  call.keys.reserve(requests.size());
  for (const PutRequest& request : requests) call.keys.push_back(request.key);
  return call;
}

Call call_of(Operation operation, std::string_view key) {
  return {.operation = operation, .keys = {std::string(key)}};
}

Call call_of(Operation operation, std::span<const std::string> keys) {
  return {.operation = operation, .keys = {keys.begin(), keys.end()}};
}

}  // namespace kedge
