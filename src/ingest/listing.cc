#include "ingest/listing.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "base/strings.h"
#include "engine/segment.h"

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

class RangedListing {
 public:
  RangedListing(ObjectStore& source, const Scope& scope, const ListingOptions& options,
                Deadline deadline)
      : source_(source), scope_(scope), options_(options), deadline_(deadline) {}

  // Into out.ranges. False: the store does not sort, so that ranges cannot be told apart.
  Result<bool> run(const std::vector<std::string>& splits, SourceListing& out) {
    const std::size_t count = splits.size() + 1;
    out.ranges.clear();
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
};

}  // namespace

std::unique_ptr<Spill::Reader> SourceListing::read() const {
  return std::make_unique<RangesReader>(ranges);
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
    out.set_hash.add(SetHash::of(info->key, info->tag.value, info->size, info->last_modified));
  }
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
