#include "store/object_store.h"

#include "base/strings.h"

namespace kedge {

std::vector<Result<ObjectTags>> ObjectStore::tags(std::span<const std::string> keys, Deadline) {
  return {keys.size(), Result<ObjectTags>(Code::kUnsupported,
                                          str_cat(describe(), ": its objects have no tags"))};
}

Result<Leftovers> ObjectStore::sweep(const SweepRequest&, Deadline) { return Leftovers{}; }

Result<std::string> ObjectStore::presign(const ReadRequest&, Duration, Deadline) {
  return {Code::kUnsupported, str_cat(describe(), ": its objects have no links")};
}

std::vector<StoreFact> ObjectStore::facts(Deadline) { return {}; }

Result<Blob> read_one(ObjectStore& store, ReadRequest request, Deadline deadline) {
  return std::move(store.read(std::span<const ReadRequest>(&request, 1), deadline).front());
}

Result<Stat> stat_one(ObjectStore& store, std::string_view key, Deadline deadline) {
  const ReadRequest request{
      .key = std::string(key), .offset = 0, .length = {}, .if_match = {}, .version_id = {}};
  return std::move(store.stat(std::span<const ReadRequest>(&request, 1), deadline).front());
}

Result<Written> put_one(ObjectStore& store, std::string_view key, ByteView body,
                        Deadline deadline) {
  const PutRequest request{.key = std::string(key), .body = body};
  return std::move(store.put(std::span<const PutRequest>(&request, 1), deadline).front());
}

}  // namespace kedge
