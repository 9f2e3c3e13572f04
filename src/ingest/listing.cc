#include "ingest/listing.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/strings.h"
#include "engine/segment.h"
#include "ingest/sidecar.h"

namespace kedge {
namespace {

// Of first keys of pages, which are looked at to find quantiles.
constexpr std::size_t kMaxSamples = 65'536;

// The spills of disjoint ranges, one after the other.
class RangesReader final : public Spill::Reader {
 public:
  explicit RangesReader(const std::vector<std::unique_ptr<Spill>>& ranges) : ranges_(ranges) {}

  Result<std::optional<ObjectInfo>> next() override {
    while (true) {
      if (reader_ == nullptr) {
        if (at_ == ranges_.size()) return std::optional<ObjectInfo>();
        reader_ = ranges_[at_++]->read();
      }
      std::optional<ObjectInfo> info = KEDGE_TRY(reader_->next());
      if (info) return info;
      reader_.reset();
    }
  }

 private:
  const std::vector<std::unique_ptr<Spill>>& ranges_;
  std::size_t at_ = 0;
  std::unique_ptr<Spill::Reader> reader_;
};

// Objects with the version of the sidecar of each.
class DescribedReader final : public Spill::Reader {
 public:
  DescribedReader(std::unique_ptr<Spill::Reader> objects, std::unique_ptr<Spill::Reader> sidecars)
      : objects_(std::move(objects)), sidecars_(std::move(sidecars)) {}

  Result<std::optional<ObjectInfo>> next() override {
    std::optional<ObjectInfo> object = KEDGE_TRY(objects_->next());
    if (!begun_) sidecar_ = KEDGE_TRY(sidecars_->next());
    begun_ = true;
    if (!object) return object;
    while (sidecar_ && sidecar_->key < object->key) sidecar_ = KEDGE_TRY(sidecars_->next());
    if (sidecar_ && sidecar_->key == object->key) {
      object->sidecar = sidecar_version(*sidecar_);
      object->racy = object->racy || sidecar_->racy;
    }
    return object;
  }

 private:
  std::unique_ptr<Spill::Reader> objects_;
  std::unique_ptr<Spill::Reader> sidecars_;
  std::optional<ObjectInfo> sidecar_;
  bool begun_ = false;
};

class RangedListing {
 public:
  RangedListing(ObjectStore& source, const Scope& scope, const ListingOptions& options,
                Deadline deadline)
      : source_(source), scope_(scope), options_(options), deadline_(deadline) {}

  // Into out.ranges. False: the store does not sort, so that ranges cannot be told apart.
  Result<bool> run(const std::vector<std::string>& splits, SourceListing& out) {
    const std::size_t count = splits.size() + 1;
    out.ranges.clear();
    out.sidecar_files.reset();
    if (scope_.sidecars) {
      out.sidecar_files =
          std::make_unique<Spill>(options_.scratch_folder, options_.memory_bytes / 4);
    }
    sidecars_ = out.sidecar_files.get();
    for (std::size_t i = 0; i < count; ++i) {
      out.ranges.push_back(
          std::make_unique<Spill>(options_.scratch_folder, options_.memory_bytes / count));
    }
    listed_ = 0;
    unsorted_ = false;
    failed_ = false;
    std::vector<Status> results(count);
    const auto one = [&](std::size_t i) {
      const std::string after = i == 0 ? std::string() : splits[i - 1];
      const std::optional<std::string> last =
          i + 1 == count ? std::nullopt : std::optional<std::string>(splits[i]);
      results[i] = list_range(after, last, *out.ranges[i]);
      if (!results[i].ok()) failed_ = true;
    };
    if (options_.threads > 1 && count > 1) {
      make_thread_pool(std::min(options_.threads, count))->parallel_for(count, one);
    } else {
      inline_executor().parallel_for(count, one);
    }
    // One range that is not known makes the whole listing unknown.
    for (Status& result : results)
      if (!result.ok() && result.code() != Code::kCancelled) return std::move(result).error();
    for (Status& result : results)
      if (!result.ok()) return std::move(result).error();
    if (sidecars_ != nullptr) KEDGE_TRY(sidecars_->seal());
    return count == 1 || !unsorted_;
  }

 private:
  Status list_range(const std::string& after, const std::optional<std::string>& last, Spill& out) {
    const std::unique_ptr<Listing> listing = source_.list("", after);
    bool ended = false;
    while (!ended) {
      if (options_.stop.stop_requested()) return {Code::kCancelled, "stopped while listing"};
      if (failed_) return {Code::kCancelled, "another range of the listing failed"};
      std::vector<ObjectInfo> page = KEDGE_TRY(listing->next(deadline_));
      if (page.empty()) break;
      for (ObjectInfo& info : page) {
        if (last && info.key > *last) {
          ended = true;
          break;
        }
        // The marker of the source's own folder has no name in it.
        if (info.key.empty() || !in_scope(scope_, info.key)) continue;
        if (sidecars_ != nullptr) {
          if (const auto described = described_by(info.key)) {
            info.key = std::string(*described);
            const std::lock_guard lock(sidecars_mutex_);
            KEDGE_TRY(sidecars_->add(std::move(info)));
            continue;
          }
        }
        KEDGE_TRY(out.add(std::move(info)));
        ++listed_;
      }
      if (!listing->ordered()) {
        unsorted_ = true;
        if (last || !after.empty()) break;  // it is begun again, whole
      }
      if (options_.on_listed && std::this_thread::get_id() == caller_) options_.on_listed(listed_);
    }
    return out.seal();
  }

  ObjectStore& source_;
  const Scope& scope_;
  const ListingOptions& options_;
  Deadline deadline_;
  const std::thread::id caller_ = std::this_thread::get_id();
  std::atomic<std::uint64_t> listed_{0};
  std::atomic<bool> unsorted_{false};
  std::atomic<bool> failed_{false};
  std::mutex sidecars_mutex_;
  Spill* sidecars_ = nullptr;
};

// How many distinct keys a spill has.
Result<std::uint64_t> count_keys(const Spill& spill) {
  const std::unique_ptr<Spill::Reader> reader = spill.read();
  std::uint64_t count = 0;
  while (KEDGE_TRY(reader->next())) ++count;
  return count;
}

}  // namespace

std::unique_ptr<Spill::Reader> SourceListing::read() const {
  auto objects = std::make_unique<RangesReader>(ranges);
  if (sidecar_files == nullptr) return objects;
  return std::make_unique<DescribedReader>(std::move(objects), sidecar_files->read());
}

Result<SourceListing> list_source(ObjectStore& source, const Scope& scope,
                                  const ListingOptions& options, Deadline deadline) {
  SourceListing out;
  out.began = KEDGE_TRY(source.now(deadline));
  RangedListing listing(source, scope, options, deadline);
  if (!KEDGE_TRY(listing.run(options.splits, out))) KEDGE_TRY(listing.run({}, out));
  // Summed over the sorted set, so that a store that lists a key twice does not change the sum.
  const std::unique_ptr<Spill::Reader> reader = out.read();
  while (true) {
    const std::optional<ObjectInfo> info = KEDGE_TRY(reader->next());
    if (!info) break;
    ++out.count;
    out.bytes += info->size;
    out.sidecars += info->sidecar.empty() ? 0 : 1;
    out.set_hash.add(SetHash::of(info->key, info->tag.value, info->size, info->last_modified,
                                 info->sidecar, scope.tags));
  }
  if (out.sidecar_files != nullptr)
    out.sidecars_alone = KEDGE_TRY(count_keys(*out.sidecar_files)) - out.sidecars;
  if (options.on_listed) options.on_listed(out.count);
  return out;
}

std::vector<std::string> listing_splits(const Snapshot& snapshot, const SourceEntry& source) {
  const std::size_t ranges = static_cast<std::size_t>(
      std::min<std::uint64_t>(source.live_objects / kListingRangeKeys, kMaxListingRanges));
  if (ranges < 2) return {};
  std::size_t pages = 0;
  for (const auto& segment : snapshot.segments())
    pages += segment->directory().first_key_of_page.size();
  const std::size_t step = pages / kMaxSamples + 1;
  // A page's first key begins with the source's number, big-endian.
  std::string prefix;
  for (int shift = 24; shift >= 0; shift -= 8)
    prefix += static_cast<char>((source.number >> shift) & 0xFF);
  std::vector<std::string> keys;
  for (const auto& segment : snapshot.segments()) {
    const std::vector<std::string>& first = segment->directory().first_key_of_page;
    for (std::size_t page = 0; page < first.size(); page += step) {
      if (first[page].starts_with(prefix)) keys.push_back(first[page].substr(prefix.size()));
    }
  }
  std::sort(keys.begin(), keys.end());
  std::vector<std::string> out;
  for (std::size_t i = 1; i < ranges && !keys.empty(); ++i) {
    const std::string& key = keys[i * keys.size() / ranges];
    if (!key.empty() && (out.empty() || out.back() < key)) out.push_back(key);
  }
  return out;
}

}  // namespace kedge
