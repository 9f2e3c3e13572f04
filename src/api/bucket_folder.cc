#include "api/bucket_folder.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/strings.h"
#include "store/prefix_store.h"
#include "store/wrapped_store.h"

namespace kedge {
namespace {

bool is_hidden(const std::vector<std::string>& hidden, std::string_view key) {
  return std::any_of(hidden.begin(), hidden.end(),
                     [&](const std::string& prefix) { return key.starts_with(prefix); });
}

// A listing without the keys below hidden prefixes.
class VisibleListing final : public Listing {
 public:
  VisibleListing(std::unique_ptr<Listing> inner, const std::vector<std::string>& hidden)
      : inner_(std::move(inner)), hidden_(hidden) {}

  Result<std::vector<ObjectInfo>> next(Deadline deadline) override {
    while (true) {
      std::vector<ObjectInfo> page = KEDGE_TRY(inner_->next(deadline));
      if (page.empty()) return page;
      std::erase_if(page, [&](const ObjectInfo& info) { return is_hidden(hidden_, info.key); });
      // An empty page would say that the listing is complete.
      if (!page.empty()) return page;
    }
  }
  [[nodiscard]] bool ordered() const override { return inner_->ordered(); }

 private:
  const std::unique_ptr<Listing> inner_;
  const std::vector<std::string>& hidden_;
};

// The keys that are named, asked for one by one.
class NamedListing final : public Listing {
 public:
  NamedListing(ObjectStore& store, std::vector<std::string> keys)
      : store_(store), keys_(std::move(keys)) {}

  Result<std::vector<ObjectInfo>> next(Deadline deadline) override {
    std::vector<ObjectInfo> page;
    while (at_ < keys_.size() && page.empty()) {
      const std::size_t count = std::min(kMaxListPage, keys_.size() - at_);
      std::vector<ReadRequest> requests(count);
      for (std::size_t i = 0; i < count; ++i) requests[i].key = keys_[at_ + i];
      for (Result<Stat>& stat : store_.stat(requests, deadline)) {
        if (!stat.ok() && stat.code() == Code::kNotFound) continue;
        if (!stat.ok()) return stat.error();
        page.push_back(std::move(stat->info));
        page.back().version_id.clear();  // as in every listing
      }
      at_ += count;
    }
    return page;
  }
  [[nodiscard]] bool ordered() const override { return true; }

 private:
  ObjectStore& store_;
  const std::vector<std::string> keys_;
  std::size_t at_ = 0;
};

// What the wrapper stands on, made before it.
struct Parts {
  Parts(std::unique_ptr<ObjectStore> bucket, const std::string& prefix)
      : bucket_(std::move(bucket)), keys_(*bucket_, prefix) {}

  const std::unique_ptr<ObjectStore> bucket_;
  PrefixStore keys_;
};

class BucketFolder final : private Parts, public WrappedStore {
 public:
  BucketFolder(std::unique_ptr<ObjectStore> bucket, BucketFolderOptions options)
      : Parts(std::move(bucket), options.prefix),
        // As a store, not as the wrapper that it is: that would be copied.
        WrappedStore(static_cast<ObjectStore&>(Parts::keys_)),
        options_(std::move(options)) {}

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    return visible<Blob>(requests, [&](auto some) { return inner().read(some, deadline); });
  }

  std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    return visible<Stat>(requests, [&](auto some) { return inner().stat(some, deadline); });
  }

  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view start_after) override {
    if (options_.only_named) {
      std::vector<std::string> keys;
      for (const std::string& key : options_.named)
        if (key.starts_with(prefix) && key > start_after) keys.push_back(key);
      return std::make_unique<NamedListing>(*this, std::move(keys));
    }
    std::unique_ptr<Listing> all = inner().list(prefix, start_after);
    if (options_.hidden.empty()) return all;
    return std::make_unique<VisibleListing>(std::move(all), options_.hidden);
  }

 private:
  template <typename T, typename Ask>
  std::vector<Result<T>> visible(std::span<const ReadRequest> requests, const Ask& ask) {
    if (options_.hidden.empty()) return ask(requests);
    std::vector<Result<T>> out(requests.size(), Result<T>(Code::kNotFound, ""));
    std::vector<ReadRequest> some;
    std::vector<std::size_t> slots;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (is_hidden(options_.hidden, requests[i].key)) {
        out[i] = Error{Code::kNotFound, str_cat("'", printable(requests[i].key),
                                                "' is of the index, which is no part of a source")};
        continue;
      }
      some.push_back(requests[i]);
      slots.push_back(i);
    }
    if (some.empty()) return out;
    std::vector<Result<T>> answers = ask(std::span<const ReadRequest>(some));
    for (std::size_t i = 0; i < slots.size(); ++i) out[slots[i]] = std::move(answers[i]);
    return out;
  }

  const BucketFolderOptions options_;
};

}  // namespace

std::unique_ptr<ObjectStore> make_bucket_folder(std::unique_ptr<ObjectStore> bucket,
                                                BucketFolderOptions options) {
  return std::make_unique<BucketFolder>(std::move(bucket), std::move(options));
}

}  // namespace kedge
