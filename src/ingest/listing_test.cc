// A listing in ranges shows what one listing shows, or fails: never a part of it.
#include "ingest/listing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/hash.h"
#include "base/strings.h"
#include "store/counting_store.h"
#include "store/fault_store.h"
#include "store/memory_store.h"

namespace kedge {
namespace {

class ListingTest : public testing::Test {
 protected:
  void SetUp() override {
    scratch_ =
        std::filesystem::temp_directory_path() / ("kedge-list-" + Id128::random(random_).hex());
    std::filesystem::create_directory(scratch_);
    for (int i = 0; i < kKeys; ++i) {
      // '-' keeps them distinct: "a1" and 2 would else be "a" and 12.
      keys_.push_back(str_cat("k/", Id128::random(random_).hex().substr(0, 1 + i % 12), '-', i));
      ASSERT_TRUE(put_one(bucket_, keys_.back(), as_bytes("x"), Deadline::never()).ok());
    }
    std::sort(keys_.begin(), keys_.end());
  }
  void TearDown() override { std::filesystem::remove_all(scratch_); }

  Result<SourceListing> list(ObjectStore& store, std::vector<std::string> splits,
                             std::size_t threads = 8) {
    ListingOptions options;
    options.scratch_folder = scratch_.string();
    options.memory_bytes = 64 * 1024;  // little, so that ranges are spilled
    options.splits = std::move(splits);
    options.threads = threads;
    return list_source(store, Scope{}, options, Deadline::never());
  }
  static std::vector<std::string> keys_of(const SourceListing& listing) {
    std::vector<std::string> out;
    const auto reader = listing.read();
    while (true) {
      auto info = reader->next();
      EXPECT_TRUE(info.ok());
      if (!info.ok() || !*info) return out;
      out.push_back((*info)->key);
    }
  }

  static constexpr int kKeys = 2000;
  std::uint64_t seed_ = system_random().next();
  SeededRandom random_{seed_};
  testing::ScopedTrace trace_{__FILE__, __LINE__, str_cat("seed ", seed_)};
  ManualClock clock_;
  MemoryStore bucket_{clock_, {.page = 100}};
  std::filesystem::path scratch_;
  std::vector<std::string> keys_;
};

TEST_F(ListingTest, RangesShowWhatOneListingShows) {
  const auto whole = list(bucket_, {});
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(keys_of(*whole), keys_);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::string> splits;
    for (std::uint64_t i = 1 + random_.below(kMaxListingRanges - 1); i > 0; --i) {
      std::string split = keys_[random_.below(keys_.size())];
      // Most name no key: cut, or a little behind one.
      if (random_.below(3) == 0) split.resize(1 + random_.below(split.size()));
      if (random_.below(3) == 0) split += '\xff';
      splits.push_back(std::move(split));
    }
    std::sort(splits.begin(), splits.end());
    splits.erase(std::unique(splits.begin(), splits.end()), splits.end());
    CountingStore counted(bucket_);
    const auto ranged = list(counted, splits, 1 + random_.below(8));
    ASSERT_TRUE(ranged.ok()) << ranged.error().message;
    ASSERT_EQ(keys_of(*ranged), keys_);
    EXPECT_EQ(ranged->count, whole->count);
    EXPECT_EQ(ranged->set_hash.hex(), whole->set_hash.hex());
    // A range ends at its split: at most a page more than its part, and one to see the end.
    EXPECT_LE(counted.counts().of(Operation::kList).requests,
              kKeys / 100 + 2 * (splits.size() + 1));
  }
}

// A range that is not known may hold anything: were it taken for empty, its objects would look
// gone.
TEST_F(ListingTest, AnErrorInAnyRangeIsAnErrorOfTheWhole) {
  const std::vector<std::string> splits = {keys_[500], keys_[1000], keys_[1500]};
  for (std::uint64_t skip = 0; skip < 20; ++skip) {
    for (const Code code : {Code::kUnavailable, Code::kDenied}) {
      FaultStore store(bucket_, clock_);
      store.add({.fault = Fault::kBefore,
                 .skip = skip,
                 .times = 1,
                 .operation = Operation::kList,
                 .detail = {.code = code}});
      EXPECT_EQ(list(store, splits).code(), code) << "page " << skip;
      EXPECT_EQ(list(store, splits).ok(), true) << "the fault is over";
    }
  }
}

TEST_F(ListingTest, AStoreThatDoesNotSortIsListedWhole) {
  MemoryStore unsorted(clock_, {.ordered = false, .page = 100});
  for (const std::string& key : keys_)
    ASSERT_TRUE(put_one(unsorted, key, as_bytes("x"), Deadline::never()).ok());
  const auto listing = list(unsorted, {keys_[500], keys_[1000]});
  ASSERT_TRUE(listing.ok());
  EXPECT_EQ(keys_of(*listing), keys_);
}

TEST_F(ListingTest, TheMarkerOfTheFolderItselfHasNoKey) {
  class Marked final : public WrappedStore {
   public:
    using WrappedStore::WrappedStore;
    std::unique_ptr<Listing> list(std::string_view, std::string_view after) override {
      class One final : public Listing {
       public:
        explicit One(std::unique_ptr<Listing> inner) : inner_(std::move(inner)) {}
        Result<std::vector<ObjectInfo>> next(Deadline deadline) override {
          if (std::exchange(first_, false)) return std::vector<ObjectInfo>(1);
          return inner_->next(deadline);
        }
        [[nodiscard]] bool ordered() const override { return true; }

       private:
        const std::unique_ptr<Listing> inner_;
        bool first_ = true;
      };
      return std::make_unique<One>(inner().list("", after));
    }
  };
  Marked store(bucket_);
  const auto listing = list(store, {});
  ASSERT_TRUE(listing.ok());
  EXPECT_EQ(listing->count, static_cast<std::uint64_t>(kKeys));
}

}  // namespace
}  // namespace kedge
