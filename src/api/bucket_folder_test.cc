// A source in a bucket sees its own keys, and nothing of the index that may lie inside it.
#include "api/bucket_folder.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "store/counting_store.h"
#include "store/memory_store.h"

namespace kedge {
namespace {

// To be handed over, while the store itself is looked at.
std::unique_ptr<ObjectStore> share(ObjectStore& store) {
  return std::make_unique<WrappedStore>(store);
}

class BucketFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* key :
         {"docs/a.txt", "docs/idx/head", "docs/idx/seg/1", "docs/idxx", "docs/z", "other/b.txt"}) {
      ASSERT_TRUE(put_one(bucket_, key, as_bytes(key), Deadline::never()).ok());
    }
  }
  std::unique_ptr<ObjectStore> open(BucketFolderOptions options) {
    return make_bucket_folder(share(bucket_), std::move(options));
  }
  static std::string listed(ObjectStore& store, std::string_view prefix = "",
                            std::string_view after = "") {
    std::string out;
    const auto listing = store.list(prefix, after);
    while (true) {
      const auto page = listing->next(Deadline::never());
      if (!page.ok()) return page.error().message;
      if (page->empty()) return out;
      for (const ObjectInfo& info : *page) out += info.key + " ";
    }
  }

  ManualClock clock_;
  // A page a key, so that whole pages are hidden: an empty one would end the listing.
  MemoryStore bucket_{clock_, {.page = 1}};
};

TEST_F(BucketFolderTest, HiddenKeysAreNeitherListedNorRead) {
  const auto source =
      open({.prefix = "docs/", .hidden = {"idx/"}, .named = {}, .only_named = false});
  EXPECT_EQ(listed(*source), "a.txt idxx z ");
  EXPECT_EQ(listed(*source, "", "a.txt"), "idxx z ");
  std::vector<ReadRequest> requests(3);
  requests[0].key = "idx/head";
  requests[1].key = "z";
  requests[2].key = "idx/none";
  const auto blobs = source->read(requests, Deadline::never());
  EXPECT_EQ(blobs[0].code(), Code::kNotFound);
  ASSERT_TRUE(blobs[1].ok());
  EXPECT_EQ(as_text(blobs[1]->body), "docs/z");
  EXPECT_EQ(blobs[1]->info.key, "z");
  EXPECT_EQ(blobs[2].code(), Code::kNotFound);
  const auto stats = source->stat(requests, Deadline::never());
  EXPECT_EQ(stats[0].code(), Code::kNotFound);
  EXPECT_TRUE(stats[1].ok());
}

TEST_F(BucketFolderTest, AnIndexSeesAllOfItsPrefix) {
  const auto index = open({.prefix = "docs/idx/", .hidden = {}, .named = {}, .only_named = false});
  EXPECT_EQ(listed(*index), "head seg/1 ");
  ASSERT_TRUE(index->create("new", as_bytes("x"), Deadline::never()).ok());
  EXPECT_TRUE(stat_one(bucket_, "docs/idx/new", Deadline::never()).ok());
}

// One object of a bucket of millions must not cost a listing of them.
TEST_F(BucketFolderTest, NamedKeysAreAskedForOneByOne) {
  CountingStore counted(bucket_);
  const auto source = make_bucket_folder(
      share(counted),
      {.prefix = "docs/", .hidden = {}, .named = {"a.txt", "gone", "z"}, .only_named = true});
  EXPECT_EQ(listed(*source), "a.txt z ");
  EXPECT_EQ(counted.counts().of(Operation::kList).requests, 0U);
  EXPECT_EQ(counted.counts().of(Operation::kStat).calls, 1U);
  EXPECT_EQ(listed(*source, "", "a.txt"), "z ");
}

}  // namespace
}  // namespace kedge
