#include "format/space.h"

#include <gtest/gtest.h>

#include "format/format_test_data.h"
#include "format/hostile_test.h"

namespace kedge {
namespace {

Bytes encoded(const Space& space) {
  ByteWriter out;
  space.encode(out);
  return std::move(out).take();
}

Status parse(ByteView bytes) {
  ByteReader in(bytes);
  const auto space = Space::parse(in);
  if (!space.ok()) return space.error();
  EXPECT_EQ(in.remaining(), 0U);
  return {};
}

TEST(Space, ReadsBackAndRefusesEachBrokenRule) {
  const Space space = test::test_space(384);
  const Bytes good = encoded(space);
  ByteReader in(good);
  EXPECT_EQ(Space::parse(in).value(), space);
  const std::size_t fixed = good.size() - 20;
  test::expect_each_refused(good,
                            {{0, kMaxSpaceString + 1, 4, "cut short or a name over"},
                             {fixed, 0, 4, "bad dimension"},
                             {fixed, kMaxDimension + 1, 4, "bad dimension"},
                             {fixed + 4, 0, 1, "unknown metric"},
                             {fixed + 4, 4, 1, "unknown metric"},
                             {fixed + 5, 2, 1, "bad normalised flag"},
                             {fixed + 6, 1, 1, "reserved bytes are not zero"},
                             {fixed + 7, 1, 1, "reserved bytes are not zero"}},
                            parse);
  test::expect_hostile_safe(good, 18, parse);
}

// Vectors of two spaces never meet: whatever decides whether they may be compared is in the id.
TEST(Space, EveryFieldChangesItsId) {
  const Space base = test::test_space(384);
  const std::function<void(Space&)> changes[] = {
      [](Space& s) { s.provider += "x"; },       [](Space& s) { s.model += "x"; },
      [](Space& s) { s.revision += "x"; },       [](Space& s) { ++s.dimension; },
      [](Space& s) { s.metric = Metric::kDot; }, [](Space& s) { s.normalised = false; },
      [](Space& s) { s.pooling = "cls"; },       [](Space& s) { s.query_prefix = "query: "; },
      [](Space& s) { s.document_prefix = "p"; }, [](Space& s) { s.modality = "image"; },
      [](Space& s) { s.precision = "bf16"; },    [](Space& s) { ++s.max_tokens; },
      [](Space& s) { ++s.rotation_seed; }};
  EXPECT_EQ(test::test_space(384).id(), base.id());
  for (std::size_t i = 0; i < std::size(changes); ++i) {
    Space other = base;
    changes[i](other);
    EXPECT_NE(other.id(), base.id()) << "change " << i;
  }
}

}  // namespace
}  // namespace kedge
