// A file of weights comes from anywhere: each rule of the container is broken once and refused, and
// what is read equals what was written, in each type.
#include "embed/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/strings.h"

namespace kedge {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Bytes file_of(std::string_view header, ByteView data) {
  ByteWriter out;
  out.put(static_cast<std::uint64_t>(header.size()));
  out.put_bytes(as_bytes(header));
  out.put_bytes(data);
  return std::move(out).take();
}

Bytes zeros(std::size_t count) { return Bytes(count); }

TEST(Safetensors, ReadsEachType) {
  ByteWriter data;
  for (const float value : {1.5F, -0.25F}) data.put(value);
  // Halves: 1, -2, the smallest subnormal, infinity; then bfloat16: 1, -3.
  for (const int half : {0x3C00, 0xC000, 0x0001, 0x7C00}) {
    data.put(static_cast<std::uint16_t>(half));
  }
  for (const int brain : {0x3F80, 0xC040}) data.put(static_cast<std::uint16_t>(brain));
  data.put(std::int64_t{7});
  const Bytes file = file_of(
      R"({"__metadata__":{"format":"pt"},"d":{"dtype":"I64","shape":[],"data_offsets":[20,28]},
          "a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},
          "b":{"dtype":"F16","shape":[4],"data_offsets":[8,16]},
          "c":{"dtype":"BF16","shape":[1,2],"data_offsets":[16,20]}} )",
      data.view());
  const auto parsed = Safetensors::parse(file);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed->tensors().size(), 4U);
  EXPECT_EQ(parsed->find("__metadata__"), nullptr);
  EXPECT_EQ(parsed->find("e"), nullptr);
  EXPECT_EQ(parsed->find("d")->type, TensorType::kOther);
  EXPECT_THAT(parsed->find("a")->shape, ElementsAre(2, 1));
  EXPECT_THAT(to_f32(*parsed->find("a")), ElementsAre(1.5F, -0.25F));
  EXPECT_THAT(to_f32(*parsed->find("b")),
              ElementsAre(1.F, -2.F, 0x1.0p-24F, std::numeric_limits<float>::infinity()));
  EXPECT_THAT(to_f32(*parsed->find("c")), ElementsAre(1.F, -3.F));
}

TEST(Safetensors, TakesEmptyTensorsAnywhere) {
  const Bytes file = file_of(
      R"({"a":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]},
          "b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
          "c":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})",
      zeros(4));
  const auto parsed = Safetensors::parse(file);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_TRUE(to_f32(*parsed->find("a")).empty());
}

TEST(Safetensors, RefusesEachBrokenRule) {
  const struct {
    const char* header;
    std::size_t data;
    const char* message;
  } cases[] = {
      {R"([])", 0, "header is not an object"},
      {R"({"a":)", 0, "not JSON"},
      {R"({} x)", 0, "not JSON"},
      {R"({"a":{"dtype":"F32","shape":[[[[[1]]]]],"data_offsets":[0,4]}})", 4, "not JSON"},
      {R"({"a":1})", 0, "'a': not an object"},
      {R"({"__metadata__":1})", 0, "not an object"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "not dtype, shape and data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4, "not dtype, shape"},
      {R"({"a":{"dtype":"F32","shape":[1],"offsets":[0,4]}})", 4, "bad data_offsets"},
      {R"({"a":{"dtype":1,"shape":[1],"data_offsets":[0,4]}})", 4, "bad dtype"},
      {R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", 4, "unknown dtype 'F31'"},
      {R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4, "bad shape"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "bad shape"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "bad shape"},
      {R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})", 4, "bad shape"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "out of range"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 4, "out of range"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "out of range"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "differ in size"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       "differ"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0, "differ"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "leaves a gap"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 5, "no tensor at the end"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
           "b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       8, "'b': overlaps another"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
           "b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "overlaps another"}};
  for (const auto& c : cases) {
    const auto parsed = Safetensors::parse(file_of(c.header, zeros(c.data)));
    ASSERT_FALSE(parsed.ok()) << c.header;
    EXPECT_THAT(parsed.error().message, HasSubstr(c.message)) << c.header;
  }
}

TEST(Safetensors, RefusesAFileCutAnywhere) {
  const Bytes whole =
      file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", zeros(8));
  ASSERT_TRUE(Safetensors::parse(whole).ok());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto parsed = Safetensors::parse(ByteView(whole).first(size));
    ASSERT_FALSE(parsed.ok()) << size;
    EXPECT_EQ(parsed.code(), Code::kCorrupt);
  }
  Bytes huge = whole;
  huge[7] = std::byte{0x7F};
  EXPECT_THAT(Safetensors::parse(huge).error().message, HasSubstr("a header of"));
}

}  // namespace
}  // namespace kedge
