// The conformance suite: reads of what is known already.
#include "tests/store/conformance.h"

namespace kedge {
namespace {

const Deadline kNever = Deadline::never();

// A head that is known already is not sent again; one that was replaced is, whatever came between.
TEST_P(StoreConformance, ReadHoldsUnlessMatch) {
  promise("what is known already is not sent again; what was replaced is");
  const Result<Written> first = put_one(store(), "k", as_bytes("first"), kNever);
  ASSERT_TRUE(done(first));
  for (const bool ranged : {false, true}) {
    ReadRequest request = ranged ? part("k", 1, 2) : whole("k");
    request.unless_match = first->tag;
    const Result<Blob> same = read_one(store(), request, kNever);
    ASSERT_TRUE(done(same));
    EXPECT_TRUE(same->unchanged);
    EXPECT_TRUE(same->body.empty());
    EXPECT_EQ(same->info.key, "k");
    EXPECT_EQ(same->info.tag, first->tag);
    EXPECT_GE(same->store_time, Timestamp{});
    // What is another's tag, or no store's.
    for (const char* other : {"0123456789abcdef0123456789abcdef", "", "a\"b"}) {
      request.unless_match = Tag{other};
      const Result<Blob> changed = read_one(store(), request, kNever);
      ASSERT_TRUE(done(changed));
      EXPECT_FALSE(changed->unchanged);
      EXPECT_EQ(as_text(changed->body), ranged ? "ir" : "first");
    }
  }
  const Result<Written> second = store().swap("k", first->tag, as_bytes("second"), kNever);
  ASSERT_TRUE(done(second));
  ReadRequest request = whole("k");
  request.unless_match = first->tag;
  const Result<Blob> changed = read_one(store(), request, kNever);
  ASSERT_TRUE(done(changed));
  EXPECT_FALSE(changed->unchanged);
  EXPECT_EQ(as_text(changed->body), "second");
  EXPECT_EQ(changed->info.tag, second->tag);
  request.key = "missing";
  EXPECT_EQ(read_one(store(), request, kNever).code(), Code::kNotFound);
  // A question about the object is answered whatever it was.
  request.key = "k";
  request.unless_match = second->tag;
  const Result<Stat> stat = std::move(store().stat(std::span(&request, 1), kNever).front());
  ASSERT_TRUE(done(stat));
  EXPECT_EQ(stat->info.size, 6U);
}

}  // namespace
}  // namespace kedge
