// For tests: a store that keeps every version of its objects, may hold some in an archive, and
// gives links. One thread at a time.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "store/wrapped_store.h"

namespace kedge {

class VersionStore final : public WrappedStore {
 public:
  // `current` holds the current versions, and is written to through this store only.
  explicit VersionStore(ObjectStore& current) : WrappedStore(current) {}

  // By key: the class that its listing names, and whether its bytes can be read.
  struct Place {
    std::string storage_class;
    bool archived = false;      // in listings and stats
    bool read_refused = false;  // though the listing does not show it
  };
  std::map<std::string, Place> places;

  void forget(const std::string& key, const std::string& version_id) {
    versions_.erase({key, version_id});
  }
  [[nodiscard]] std::string current_version(const std::string& key) const {
    const auto found = current_.find(key);
    return found == current_.end() ? std::string() : found->second;
  }

  std::vector<Result<Written>> put(std::span<const PutRequest> requests,
                                   Deadline deadline) override {
    auto written = inner().put(requests, deadline);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const std::string id = str_cat("v", ++count_);
      ReadRequest request;
      request.key = requests[i].key;
      Blob blob = read_one(inner(), request, deadline).value();
      blob.info.version_id = id;
      versions_.insert_or_assign({requests[i].key, id}, std::move(blob));
      current_[requests[i].key] = id;
    }
    return written;
  }

  // A delete marker: the versions stay.
  std::vector<Result<void>> remove(std::span<const std::string> keys, Deadline deadline) override {
    for (const std::string& key : keys) current_.erase(key);
    return inner().remove(keys, deadline);
  }

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    std::vector<Result<Blob>> out;
    for (const ReadRequest& request : requests) {
      const auto place = places.find(request.key);
      if (place != places.end() && (place->second.archived || place->second.read_refused)) {
        out.emplace_back(Code::kArchived, "archived");
      } else {
        out.push_back(read_version(request, deadline));
      }
    }
    return out;
  }

  std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    std::vector<Result<Stat>> out;
    for (const ReadRequest& request : requests) {
      Result<Blob> blob = read_version(request, deadline);
      if (!blob.ok()) {
        out.push_back(blob.error());
        continue;
      }
      out.emplace_back(Stat{placed(std::move(blob->info)), blob->store_time});
    }
    return out;
  }

  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view after) override {
    class Placed final : public Listing {
     public:
      Placed(const VersionStore& store, std::unique_ptr<Listing> inner)
          : store_(store), inner_(std::move(inner)) {}
      Result<std::vector<ObjectInfo>> next(Deadline deadline) override {
        auto page = inner_->next(deadline);
        if (page.ok())
          for (ObjectInfo& info : *page) info = store_.placed(std::move(info));
        return page;
      }
      [[nodiscard]] bool ordered() const override { return inner_->ordered(); }

     private:
      const VersionStore& store_;
      const std::unique_ptr<Listing> inner_;
    };
    return std::make_unique<Placed>(*this, inner().list(prefix, after));
  }

  Result<std::string> presign(const ReadRequest& request, Duration valid, Deadline) override {
    return str_cat("https://bucket.example/", request.key, "?version=", request.version_id,
                   "&seconds=", std::chrono::duration_cast<std::chrono::seconds>(valid).count());
  }

 private:
  [[nodiscard]] ObjectInfo placed(ObjectInfo info) const {
    const auto place = places.find(info.key);
    if (place == places.end()) return info;
    info.storage_class = place->second.storage_class;
    info.archived = place->second.archived;
    return info;
  }

  Result<Blob> read_version(const ReadRequest& request, Deadline deadline) {
    if (request.version_id.empty()) {
      Result<Blob> blob = read_one(inner(), request, deadline);
      if (blob.ok()) blob->info.version_id = current_version(request.key);
      return blob;
    }
    const auto found = versions_.find({request.key, request.version_id});
    if (found == versions_.end()) return {Code::kNotFound, "no such version"};
    Blob out = found->second;
    if (request.if_match && *request.if_match != out.info.tag)
      return {Code::kConflict, "another tag"};
    const std::size_t begin = std::min<std::size_t>(request.offset, out.body.size());
    const std::size_t size =
        std::min<std::size_t>(request.length.value_or(out.body.size()), out.body.size() - begin);
    out.body = Bytes(out.body.begin() + static_cast<std::ptrdiff_t>(begin),
                     out.body.begin() + static_cast<std::ptrdiff_t>(begin + size));
    return out;
  }

  std::map<std::pair<std::string, std::string>, Blob> versions_;
  std::map<std::string, std::string> current_;
  std::uint64_t count_ = 0;
};

}  // namespace kedge
