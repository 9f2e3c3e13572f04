// What every parser must stand: cut input, flipped bits, counts that promise more than is there.
// Each input is parsed from an array of exactly its size, so that a read past its end is seen.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/strings.h"

namespace kedge::test {

// The largest single allocation since the call before (hostile_test.cc counts them all).
std::size_t take_largest_allocation();

using Parse = std::function<Status(ByteView)>;

struct Patch {
  std::size_t offset;
  std::uint64_t value;
  std::size_t size;          // bytes of the value that are written
  std::string_view message;  // that the error must contain
};

inline Bytes patched(ByteView bytes, const Patch& patch) {
  Bytes copy(bytes.begin(), bytes.end());
  KEDGE_CHECK(patch.offset + patch.size <= copy.size());
  std::memcpy(copy.data() + patch.offset, &patch.value, patch.size);
  return copy;
}

inline void expect_corrupt(const Status& status, std::string_view message) {
  ASSERT_FALSE(status.ok()) << "accepted; expected: " << message;
  EXPECT_TRUE(status.code() == Code::kCorrupt || status.code() == Code::kUnsupported)
      << status.error().message;
  EXPECT_THAT(status.error().message, testing::HasSubstr(std::string(message)));
}

// `reseal` writes the checksum anew, or nothing where the structure has none of its own.
inline void expect_each_refused(
    ByteView good, std::initializer_list<Patch> patches, const Parse& parse,
    const std::function<void(Bytes&)>& reseal = [](Bytes&) {}) {
  ASSERT_TRUE(parse(good).ok()) << parse(good).error().message;
  for (const Patch& patch : patches) {
    SCOPED_TRACE(str_cat("offset ", patch.offset, ", value ", patch.value));
    Bytes bad = patched(good, patch);
    ASSERT_NE(bad, Bytes(good.begin(), good.end())) << "the patch changes nothing";
    reseal(bad);
    expect_corrupt(parse(bad), patch.message);
  }
}

// Truncation at every length is refused, and no parser reserves memory that the input does not pay
// for: 64 bytes for each byte of it, and a little.
void expect_hostile_safe(ByteView good, std::uint64_t seed, const Parse& parse,
                         std::size_t expansion = 64);

}  // namespace kedge::test
