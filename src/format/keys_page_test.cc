// The rules of a keys page, each broken on its own, and what happens where keys collide.
#include <gtest/gtest.h>

#include <set>

#include "format/format_test_data.h"
#include "format/hostile_test.h"

namespace kedge {
namespace {

// All pages of these hashes, and how long each is.
Bytes keys_plane(const std::vector<Id128>& hashes, std::vector<std::uint32_t>& sizes) {
  Bytes plane;
  const Status done = encode_keys_pages(hashes, [&](const Bytes& page) -> Status {
    plane.insert(plane.end(), page.begin(), page.end());
    sizes.push_back(static_cast<std::uint32_t>(page.size()));
    return {};
  });
  EXPECT_TRUE(done.ok());
  return plane;
}

class KeysPage : public testing::Test {
 protected:
  KeysPage() {
    const auto built = test::build(test::small_objects(), test::kSmallDimension);
    directory_ = SegmentDirectory::parse(test::plane_bytes(built, Plane::kDirectory)).value();
    const ByteView bytes = test::page_bytes(built, directory_.keys[0]);
    page_.assign(bytes.begin(), bytes.end());
  }
  Status parse(ByteView bytes) const {
    const auto found = find_in_keys_page(bytes, object_key_hash(1, "notes/a.md"), directory_);
    return found.ok() ? Status() : Status(found.error());
  }

  SegmentDirectory directory_;
  Bytes page_;
};

TEST_F(KeysPage, RefusesEachBrokenRule) {
  test::expect_each_refused(page_,
                            {{0, 'X', 1, "wrong magic"},
                             {4, 7, 2, "version 7 is not known"},
                             {6, 1, 2, "number of pages differs from the directory's"},
                             {6, 0xFFFF, 2, "number of pages differs from the directory's"},
                             {8, 4, 4, "entries are not increasing"},
                             {8, 2, 4, "padding is not zero at offset 48"},
                             {8, 256, 4, "cut short"},
                             {12, 1, 4, "another page than was asked for"},
                             {28, 3, 4, "object number out of range at offset 28"},
                             {16, 0xFFFF'FFFF'FFFF'FFFF, 8, "entries are not increasing"},
                             {64, 1, 1, "padding is not zero at offset 64"},
                             {4095, 1, 1, "padding is not zero"}},
                            [&](ByteView bytes) { return parse(bytes); });
  page_.resize(8192);
  test::expect_corrupt(parse(page_), "bad size");
}

TEST_F(KeysPage, StandsHostileBytes) {
  test::expect_hostile_safe(ByteView(page_), 13, [&](ByteView bytes) { return parse(bytes); });
}

// A page that is not the hash's must not answer "no such key": in both pages of two.
TEST_F(KeysPage, AnswersOnlyForItsOwnHashes) {
  SeededRandom random(1);
  std::vector<Id128> hashes;
  for (int i = 0; i < 200; ++i) hashes.push_back(Id128::random(random));
  std::vector<std::uint32_t> sizes;
  const Bytes plane = keys_plane(hashes, sizes);
  ASSERT_EQ(sizes, (std::vector<std::uint32_t>{4096, 4096}));
  directory_.objects = 200;
  directory_.keys.resize(2);
  for (std::uint32_t n = 0; n < hashes.size(); ++n) {
    for (std::size_t page = 0; page < 2; ++page) {
      const auto found =
          find_in_keys_page(ByteView(plane).subspan(page * 4096, 4096), hashes[n], directory_);
      if (page == keys_page_of(hashes[n], 2)) {
        ASSERT_TRUE(found.ok()) << found.error().message;
        EXPECT_EQ(*found, std::vector<std::uint32_t>{n});
      } else {
        ASSERT_FALSE(found.ok());
      }
    }
  }
  // A hash that was moved into the other page, page and order kept.
  Bytes moved(plane.begin(), plane.begin() + 4096);
  const std::size_t last = 16 + 16 * (std::to_integer<std::size_t>(moved[8]) - 1);
  moved[last] = std::byte{0x80};
  Id128 wanted;
  const auto found = find_in_keys_page(moved, wanted, directory_);
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(found.error().message, testing::HasSubstr("hash of another page"));
}

// Whoever can choose keys can make them collide: the plane grows by what they need, and every one
// is found.
TEST_F(KeysPage, GrowsOnlyByWhatCollides) {
  std::vector<Id128> hashes(3000, test::number_id(0xAA));
  SeededRandom random(2);
  for (int i = 0; i < 1000; ++i) hashes.push_back(Id128::random(random));
  std::vector<std::uint32_t> sizes;
  const Bytes plane = keys_plane(hashes, sizes);
  EXPECT_LE(sizes.size(), 32U * 4);
  EXPECT_LE(plane.size(), sizes.size() * 4096 + 3000 * 16 + 4096);
  directory_.objects = 4000;
  directory_.keys.resize(sizes.size());
  const std::size_t page = keys_page_of(hashes[0], sizes.size());
  const ByteView bytes = ByteView(plane).subspan(page * 4096, sizes[page]);
  const auto found = find_in_keys_page(bytes, hashes[0], directory_);
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->size(), 3000U);
}

// Three quarters full on average, none over: of the sizes that a writer makes.
TEST_F(KeysPage, StaysWithinItsLoad) {
  SeededRandom random(3);
  for (const std::size_t count : {1, 191, 192, 255, 256, 5000, 40'000}) {
    std::vector<Id128> hashes;
    for (std::size_t i = 0; i < count; ++i)
      hashes.push_back(object_key_hash(1, str_cat("key/", random.next(), i)));
    std::vector<std::uint32_t> sizes;
    (void)keys_plane(hashes, sizes);
    EXPECT_LE(count * 4, sizes.size() * 255 * 3) << count;
    for (const std::uint32_t size : sizes) EXPECT_EQ(size, 4096U);
  }
}

}  // namespace
}  // namespace kedge
