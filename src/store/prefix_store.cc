#include "store/prefix_store.h"

#include <utility>

#include "base/strings.h"

namespace kedge {
namespace {

class PrefixListing final : public Listing {
 public:
  PrefixListing(std::unique_ptr<Listing> inner, std::size_t prefix_size)
      : inner_(std::move(inner)), prefix_size_(prefix_size) {}

  Result<std::vector<ObjectInfo>> next(Deadline deadline) override {
    auto page = inner_->next(deadline);
    if (page.ok())
      for (ObjectInfo& info : *page) info.key.erase(0, prefix_size_);
    return page;
  }
  [[nodiscard]] bool ordered() const override { return inner_->ordered(); }

 private:
  const std::unique_ptr<Listing> inner_;
  const std::size_t prefix_size_;
};

}  // namespace

std::vector<ReadRequest> PrefixStore::full(std::span<const ReadRequest> requests) const {
  std::vector<ReadRequest> out(requests.begin(), requests.end());
  for (ReadRequest& request : out) request.key = full(request.key);
  return out;
}

std::vector<std::string> PrefixStore::full(std::span<const std::string> keys) const {
  std::vector<std::string> out;
  out.reserve(keys.size());
  for (const std::string& key : keys) out.push_back(full(key));
  return out;
}

std::vector<Result<Blob>> PrefixStore::read(std::span<const ReadRequest> requests,
                                            Deadline deadline) {
  auto results = inner().read(full(requests), deadline);
  for (std::size_t i = 0; i < results.size(); ++i)
    if (results[i].ok()) results[i]->info.key = requests[i].key;
  return results;
}

std::vector<Result<Stat>> PrefixStore::stat(std::span<const ReadRequest> requests,
                                            Deadline deadline) {
  auto results = inner().stat(full(requests), deadline);
  for (std::size_t i = 0; i < results.size(); ++i)
    if (results[i].ok()) results[i]->info.key = requests[i].key;
  return results;
}

std::vector<Result<ObjectTags>> PrefixStore::tags(std::span<const std::string> keys,
                                                  Deadline deadline) {
  return inner().tags(full(keys), deadline);
}

std::vector<Result<Written>> PrefixStore::put(std::span<const PutRequest> requests,
                                              Deadline deadline) {
  std::vector<PutRequest> all(requests.begin(), requests.end());
  for (PutRequest& request : all) request.key = full(request.key);
  return inner().put(all, deadline);
}

Result<Written> PrefixStore::create(std::string_view key, ByteView body, Deadline deadline) {
  return inner().create(full(key), body, deadline);
}

Result<Written> PrefixStore::swap(std::string_view key, const Tag& expected, ByteView body,
                                  Deadline deadline) {
  return inner().swap(full(key), expected, body, deadline);
}

std::vector<Result<void>> PrefixStore::remove(std::span<const std::string> keys,
                                              Deadline deadline) {
  return inner().remove(full(keys), deadline);
}

std::unique_ptr<Listing> PrefixStore::list(std::string_view prefix, std::string_view start_after) {
  const std::string after =
      start_after.empty() ? std::string() : prefix_ + std::string(start_after);
  return std::make_unique<PrefixListing>(inner().list(prefix_ + std::string(prefix), after),
                                         prefix_.size());
}

Result<Leftovers> PrefixStore::sweep(const SweepRequest& request, Deadline deadline) {
  SweepRequest inside = request;
  inside.prefix = prefix_ + request.prefix;
  if (request.ours) {
    inside.ours = [&](std::string_view key) {
      return key.starts_with(prefix_) && request.ours(key.substr(prefix_.size()));
    };
  }
  return inner().sweep(inside, deadline);
}

Result<std::string> PrefixStore::presign(const ReadRequest& request, Duration valid,
                                         Deadline deadline) {
  return inner().presign(full({&request, 1}).front(), valid, deadline);
}

std::string PrefixStore::describe() const {
  return str_cat(inner().describe(), "/", printable(prefix_));
}

}  // namespace kedge
