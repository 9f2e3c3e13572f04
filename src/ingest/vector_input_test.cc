#include "ingest/vector_input.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>

#include "base/hash.h"
#include "base/random.h"
#include "base/strings.h"
#include "format/space.h"

namespace kedge {
namespace {

class VectorInputTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("kedge-vectors-" + Id128::random(system_random()).hex());
    std::filesystem::create_directory(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(std::string_view name) const { return (folder_ / name).string(); }

  std::string write(std::string_view name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  std::string write(std::string_view name, const ByteWriter& bytes) const {
    return write(name, as_text(bytes.view()));
  }

  // Every record, or the error; with the folder cut out of its message.
  Result<std::vector<VectorRecord>> read_all(const std::string& from) const {
    auto records = read_to_end(from);
    if (records.ok()) return records;
    return {records.error().code, without_folder(records.error().message)};
  }

  std::string without_folder(std::string message) const {
    const std::string folder = folder_.string() + "/";
    const std::size_t at = message.find(folder);
    return at == std::string::npos ? message : message.erase(at, folder.size());
  }

  std::filesystem::path folder_;

 private:
  static Result<std::vector<VectorRecord>> read_to_end(const std::string& from) {
    const auto input = KEDGE_TRY(VectorInput::open(from));
    std::vector<VectorRecord> records;
    VectorRecord record;
    while (KEDGE_TRY(input->next(record))) {
      EXPECT_EQ(record.values.size(), input->dimension());
      records.push_back(record);
    }
    if (input->count()) {
      EXPECT_EQ(*input->count(), records.size());
    }
    return records;
  }
};

template <typename T>
void put_row(ByteWriter& out, std::span<const T> values) {
  out.put(static_cast<std::int32_t>(values.size()));
  for (const T value : values) out.put(value);
}

std::vector<float> random_row(SeededRandom& random, std::size_t dimension) {
  std::vector<float> row(dimension);
  for (float& value : row) value = static_cast<float>(random.unit() * 2 - 1);
  return row;
}

std::string npy(std::string_view dictionary, std::string_view values, int version = 1) {
  ByteWriter out;
  out.put_bytes(as_bytes("\x93NUMPY"));
  out.put(static_cast<std::uint8_t>(version));
  out.put(std::uint8_t{0});
  if (version == 1) {
    out.put(static_cast<std::uint16_t>(dictionary.size()));
  } else {
    out.put(static_cast<std::uint32_t>(dictionary.size()));
  }
  out.put_bytes(as_bytes(dictionary));
  out.put_bytes(as_bytes(values));
  return std::string(as_text(out.view()));
}

template <typename T>
std::string bytes_of(std::initializer_list<T> values) {
  ByteWriter out;
  for (const T value : values) out.put(value);
  return std::string(as_text(out.view()));
}

// More rows than the buffer holds: rows cross its edges.
TEST_F(VectorInputTest, ReadsFvecsOfAnyDimension) {
  for (const std::size_t dimension : {1U, 3U, 384U, kMaxDimension}) {
    SCOPED_TRACE(dimension);
    SeededRandom random(dimension);
    const std::size_t rows = 1'000'000 / (dimension * 4) + 3;
    ByteWriter out;
    std::vector<std::vector<float>> written;
    for (std::size_t i = 0; i < rows; ++i) {
      written.push_back(random_row(random, dimension));
      put_row<float>(out, written.back());
    }
    const auto records = read_all(write("a.fvecs", out));
    ASSERT_TRUE(records.ok()) << records.error().message;
    ASSERT_EQ(records->size(), rows);
    for (std::size_t i = 0; i < rows; ++i) {
      ASSERT_EQ((*records)[i].values, written[i]) << i;
      ASSERT_EQ((*records)[i].id, row_id(i));
      ASSERT_TRUE((*records)[i].metadata.empty());
    }
  }
}

TEST_F(VectorInputTest, RowIdsSortAsRows) {
  EXPECT_EQ(row_id(0), "000000000000");
  EXPECT_EQ(row_id(1'234'567), "000001234567");
  EXPECT_LT(row_id(9), row_id(10));
  EXPECT_EQ(row_id(123'456'789'012'345), "123456789012345");
}

TEST_F(VectorInputTest, ReadsBvecs) {
  ByteWriter out;
  put_row<std::uint8_t>(out, std::vector<std::uint8_t>{0, 255, 7});
  put_row<std::uint8_t>(out, std::vector<std::uint8_t>{1, 2, 3});
  const auto records = read_all(write("a.bvecs", out));
  ASSERT_TRUE(records.ok()) << records.error().message;
  ASSERT_EQ(records->size(), 2U);
  EXPECT_EQ((*records)[0].values, (std::vector<float>{0, 255, 7}));
  EXPECT_EQ((*records)[1].values, (std::vector<float>{1, 2, 3}));
}

TEST_F(VectorInputTest, ReadsEveryTypeAndVersionOfNpy) {
  const std::vector<float> expected = {1.5F, -2, 0, 64};
  const std::string halves = bytes_of<std::uint16_t>({0x3E00, 0xC000, 0x0000, 0x5400});
  const struct {
    std::string_view type;
    std::string values;
    std::vector<float> expected;
  } cases[] = {{"<f4", bytes_of<float>({1.5F, -2, 0, 64}), expected},
               {"<f2", halves, expected},
               {"<f8", bytes_of<double>({1.5, -2, 0, 64}), expected},
               {"|u1", bytes_of<std::uint8_t>({1, 254, 0, 64}), {1, 254, 0, 64}},
               {"<u1", bytes_of<std::uint8_t>({1, 254, 0, 64}), {1, 254, 0, 64}},
               {"|i1", bytes_of<std::int8_t>({1, -2, 0, 64}), {1, -2, 0, 64}}};
  for (const auto& c : cases) {
    for (const int version : {1, 2, 3}) {
      SCOPED_TRACE(str_cat(c.type, " in version ", version));
      const std::string dictionary = str_cat(
          "{'descr': '", c.type, "', 'fortran_order': False, 'shape': (2, 2), }          \n");
      const auto records = read_all(write("a.npy", npy(dictionary, c.values, version)));
      ASSERT_TRUE(records.ok()) << records.error().message;
      ASSERT_EQ(records->size(), 2U);
      EXPECT_EQ((*records)[0].values, std::vector(c.expected.begin(), c.expected.begin() + 2));
      EXPECT_EQ((*records)[1].values, std::vector(c.expected.begin() + 2, c.expected.end()));
    }
  }
}

TEST_F(VectorInputTest, ReadsNpyHeadersThatOthersWrite) {
  const std::string values = bytes_of<float>({1, 2});
  for (const std::string_view dictionary :
       {"{'shape':(1,2),'fortran_order':False,'descr':'<f4'}",
        "{\"descr\": \"<f4\", \"fortran_order\": False, \"shape\": (1, 2,)}\n"}) {
    const auto records = read_all(write("a.npy", npy(dictionary, values)));
    ASSERT_TRUE(records.ok()) << dictionary << ": " << records.error().message;
    EXPECT_EQ(records->at(0).values, (std::vector<float>{1, 2}));
  }
}

TEST_F(VectorInputTest, RefusesEachBrokenNpy) {
  const std::string four = bytes_of<float>({1, 2, 3, 4});
  const auto header = [](std::string_view type, std::string_view order, std::string_view shape) {
    return str_cat("{'descr': '", type, "', 'fortran_order': ", order, ", 'shape': ", shape, ", }");
  };
  const std::string good = header("<f4", "False", "(2, 2)");
  const std::size_t end = 10 + good.size() + 16;
  const struct {
    std::string bytes;
    Code code;
    std::string message;
  } cases[] = {
      {"", Code::kInvalid, "header at byte 0: not a .npy file"},
      {"\x93NUMPX\x01", Code::kInvalid, "header at byte 0: not a .npy file"},
      {"\x93NUMPY\x01", Code::kInvalid, "header: ends at byte 7"},
      {npy(good, "").substr(0, 20), Code::kInvalid, "header: ends at byte 20"},
      {npy(good, four, 4), Code::kUnsupported, "header at byte 6: version 4.0"},
      {npy(good, four.substr(1)), Code::kInvalid,
       str_cat("row 1 at byte ", end - 1,
               ": the file ends, and does not with its 2 rows of 8 bytes")},
      {npy(good, four + "x"), Code::kInvalid,
       str_cat("row 2 at byte ", end + 1,
               ": the file ends, and does not with its 2 rows of 8 bytes")},
      {npy(header(">f4", "False", "(2, 2)"), four), Code::kUnsupported,
       "header at byte 8: values of type '>f4'; known are <f2, <f4, <f8, |i1 and |u1"},
      {npy(header("", "False", "(2, 2)"), four), Code::kUnsupported,
       "header at byte 8: values of type ''; known are <f2, <f4, <f8, |i1 and |u1"},
      {npy(header("<i8", "False", "(2, 1)"), four), Code::kUnsupported,
       "header at byte 8: values of type '<i8'; known are <f2, <f4, <f8, |i1 and |u1"},
      {npy(header("<f4", "True", "(2, 2)"), four), Code::kUnsupported,
       "header at byte 8: values in Fortran order"},
      {npy(header("<f4", "False", "(4,)"), four), Code::kUnsupported,
       "header at byte 8: 1 axes, expected 2"},
      {npy(header("<f4", "False", "()"), four), Code::kUnsupported,
       "header at byte 8: 0 axes, expected 2"},
      {npy(header("<f4", "False", "(0, 4)"), ""), Code::kInvalid, "header at byte 8: no vectors"},
      {npy(header("<f4", "False", "(4, 0)"), ""), Code::kInvalid,
       "header at byte 8: dimension 0, expected 1 to 8192"},
      {npy(header("<f4", "False", "(1, 8193)"), ""), Code::kInvalid,
       "header at byte 8: dimension 8193, expected 1 to 8192"},
      // Products that wrap around to the 16 bytes that are there.
      {npy(header("<f4", "False", "(4611686018427387906, 2)"), four), Code::kInvalid,
       str_cat("row 2 at byte ",
               10 + header("<f4", "False", "(4611686018427387906, 2)").size() + 16,
               ": the file ends, and does not with its 4611686018427387906 rows of 8 bytes")},
      {npy(header("<f4", "False", "(1, 18446744073709551616)"), four), Code::kInvalid,
       "header at byte 83: shape is no tuple of numbers"},
      {npy(header("<f4", "false", "(2, 2)"), four), Code::kInvalid,
       "header at byte 44: fortran_order is neither True nor False"},
      {npy("{'descr': [('x', '<f4')], 'shape': (2, 2), }", four), Code::kInvalid,
       "header at byte 20: descr is no plain type"},
      {npy("{'descr': '<f4', 'shape': (2, 2)}", four), Code::kInvalid,
       "header at byte 43: descr, fortran_order or shape is missing"},
      {npy("{'descr': '<f4', 'descr': '<f4'}", four), Code::kInvalid,
       "header at byte 35: unexpected field 'descr'"},
      {npy(good + "x", four), Code::kInvalid,
       str_cat("header at byte ", 10 + good.size(), ": text after '}'")}};
  for (const auto& c : cases) {
    const auto records = read_all(write("a.npy", c.bytes));
    ASSERT_FALSE(records.ok()) << c.message;
    EXPECT_EQ(records.error().message, "a.npy: " + c.message);
    EXPECT_EQ(records.error().code, c.code) << c.message;
  }
}

// A header may say that it has 4 GiB; nobody makes room for it.
TEST_F(VectorInputTest, RefusesALargeNpyHeader) {
  std::string bytes = npy("{", "", 2);
  bytes[11] = '\xFF';
  const auto records = read_all(write("a.npy", bytes));
  ASSERT_FALSE(records.ok());
  EXPECT_EQ(records.error().message, "a.npy: header at byte 8: 4278190081 bytes, over 65536");
}

TEST_F(VectorInputTest, RefusesBrokenFvecsNamingRowAndByte) {
  const auto rows = [](std::initializer_list<std::vector<float>> values) {
    ByteWriter out;
    for (const auto& row : values) put_row<float>(out, row);
    return std::string(as_text(out.view()));
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const struct {
    std::string bytes;
    std::string_view message;
  } cases[] = {
      {"", "row 0 at byte 0: no vectors"},
      {"abc", "ends at byte 3"},
      {bytes_of<std::int32_t>({0}), "header at byte 0: dimension 0, expected 1 to 8192"},
      {bytes_of<std::int32_t>({-1}), "header at byte 0: dimension -1, expected 1 to 8192"},
      {bytes_of<std::int32_t>({8193}), "header at byte 0: dimension 8193, expected 1 to 8192"},
      {bytes_of<std::int32_t>({2, 0}),
       "row 0 at byte 8: the file ends within a row of 12 bytes, or its rows are not all of "
       "dimension 2"},
      {rows({{1, 2}, {3, 4}}) + "abcd",
       "row 2 at byte 28: the file ends within a row of 12 bytes, or its rows are not all of "
       "dimension 2"},
      {rows({{1, 2}, {3}}) + "abcd", "row 1 at byte 12: dimension 1, expected 2"},
      {rows({{1, 2}, {3, nan}}), "row 1 at byte 20: value 1 is not finite"},
      {rows({{1, 2}, {infinity, 1}}), "row 1 at byte 16: value 0 is not finite"},
      {rows({{-infinity, 2}}), "row 0 at byte 4: value 0 is not finite"}};
  for (const auto& c : cases) {
    const auto records = read_all(write("a.fvecs", c.bytes));
    ASSERT_FALSE(records.ok()) << c.message;
    EXPECT_EQ(records.error().message, str_cat("a.fvecs: ", c.message));
    EXPECT_EQ(records.error().code, Code::kInvalid) << c.message;
  }
}

TEST_F(VectorInputTest, RefusesValuesThatNoFloatHolds) {
  const std::string dictionary = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }";
  for (const double value : {1e39, -1e39, std::numeric_limits<double>::quiet_NaN()}) {
    const auto records = read_all(write("a.npy", npy(dictionary, bytes_of<double>({1, value}))));
    ASSERT_FALSE(records.ok()) << value;
    EXPECT_EQ(records.error().message, str_cat("a.npy: row 0 at byte ", 10 + dictionary.size() + 8,
                                               ": value 1 is not finite"));
  }
  const std::string half = "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 2), }";
  const auto records = read_all(write("a.npy", npy(half, bytes_of<std::uint16_t>({0, 0x7C00}))));
  ASSERT_FALSE(records.ok());
  EXPECT_EQ(records.error().message,
            str_cat("a.npy: row 0 at byte ", 10 + half.size() + 2, ": value 1 is not finite"));
}

TEST_F(VectorInputTest, SaysWhenTheFileIsCutShortMeanwhile) {
  ByteWriter out;
  SeededRandom random(7);
  for (int i = 0; i < 4'000; ++i) put_row<float>(out, random_row(random, 100));
  const std::string name = write("a.fvecs", out);
  auto input = VectorInput::open(name);
  ASSERT_TRUE(input.ok());
  std::filesystem::resize_file(name, 404 * 2'000 + 1);
  VectorRecord record;
  Result<bool> more = true;
  std::size_t rows = 0;
  while ((more = (*input)->next(record)).ok() && *more) ++rows;
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(rows, 2'000U);
  EXPECT_EQ(without_folder(more.error().message), "a.fvecs: ends at byte 808001");
}

TEST_F(VectorInputTest, OpensOnlyFilesOfVectors) {
  const auto open = [&](std::string_view name) { return VectorInput::open(path(name)).error(); };
  EXPECT_EQ(open("none.fvecs").code, Code::kNotFound);
  EXPECT_EQ(open("a.parquet").code, Code::kUnsupported);
  EXPECT_NE(open("a.parquet").message.find(".jsonl"), std::string::npos);
  std::filesystem::create_directory(path("folder.npy"));
  EXPECT_EQ(open("folder.npy").code, Code::kInvalid);
  ASSERT_EQ(::mkfifo(path("pipe.jsonl").c_str(), 0600), 0);
  EXPECT_EQ(open("pipe.jsonl").code, Code::kInvalid);  // and does not wait for a writer
}

// The same rows and sizes from a file of rows and from one of lines; of the file, each once, by the
// seed, and next() stays where it was.
TEST_F(VectorInputTest, SamplesWithoutReplacement) {
  constexpr std::size_t kRows = 500;
  ByteWriter rows;
  std::string lines;
  for (std::size_t i = 0; i < kRows; ++i) {
    put_row<float>(rows, std::vector<float>{static_cast<float>(i), 1});
    lines += str_cat("{\"vector\": [", i, ", 1]}\n");
  }
  for (const std::string& name : {write("a.fvecs", rows), write("a.jsonl", lines)}) {
    SCOPED_TRACE(name);
    auto input = VectorInput::open(name);
    ASSERT_TRUE(input.ok());
    VectorRecord record;
    ASSERT_TRUE((*input)->next(record).ok());
    std::vector<int> drawn(kRows);
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      const auto sample = (*input)->sample(50, seed);
      ASSERT_TRUE(sample.ok()) << sample.error().message;
      ASSERT_EQ(sample->size(), 100U);
      for (std::size_t i = 0; i < 50; ++i) {
        if (i > 0) {
          ASSERT_GT((*sample)[2 * i], (*sample)[2 * i - 2]);
        }
        ++drawn[static_cast<std::size_t>((*sample)[2 * i])];
      }
    }
    // 20 expected of each, with a deviation of 4.2.
    EXPECT_GT(*std::min_element(drawn.begin(), drawn.end()), 3);
    EXPECT_LT(*std::max_element(drawn.begin(), drawn.end()), 40);
    EXPECT_EQ(*(*input)->sample(50, 7), *(*input)->sample(50, 7));
    EXPECT_NE(*(*input)->sample(50, 7), *(*input)->sample(50, 8));
    EXPECT_EQ((*input)->sample(kRows, 1)->size(), 2 * kRows);
    EXPECT_EQ((*input)->sample(kRows * 2, 1)->size(), 2 * kRows);
    EXPECT_TRUE((*input)->sample(0, 1)->empty());
    ASSERT_TRUE((*input)->next(record).ok());
    EXPECT_EQ(record.values[0], 1);
  }
}

TEST_F(VectorInputTest, ReadsTrueNeighbours) {
  const auto rows = read_ivecs(write("a.ivecs", bytes_of<std::int32_t>({2, 5, 0, 2, 1, 9})), 10);
  ASSERT_TRUE(rows.ok()) << rows.error().message;
  EXPECT_EQ(rows->rows, 2U);
  EXPECT_EQ(rows->width, 2U);
  EXPECT_EQ(rows->ids, (std::vector<std::int32_t>{5, 0, 1, 9}));
}

TEST_F(VectorInputTest, RefusesBrokenNeighbours) {
  const struct {
    std::vector<std::int32_t> values;
    std::string_view message;
  } cases[] = {{{}, "row 0 at byte 0: no rows"},
               {{0}, "row 0 at byte 0: a width of 0"},
               {{-5, 1}, "row 0 at byte 0: a width of -5"},
               {{2'000'000'000, 1}, "row 0 at byte 0: a width of 2000000000"},
               {{2, 1}, "row 0 at byte 8: the file ends"},
               {{2, 1, 2, 2, 3}, "row 1 at byte 20: the file ends"},
               {{2, 1, 2, 1, 3, 4}, "row 1 at byte 12: a width of 1, expected 2"},
               {{2, 1, 10}, "row 0 at byte 8: id 10, expected 0 to under 10"},
               {{2, 1, 2, 2, 3, -1}, "row 1 at byte 20: id -1, expected 0 to under 10"}};
  for (const auto& c : cases) {
    ByteWriter out;
    for (const std::int32_t value : c.values) out.put(value);
    const auto rows = read_ivecs(write("a.ivecs", out), 10);
    ASSERT_FALSE(rows.ok()) << c.message;
    EXPECT_EQ(without_folder(rows.error().message), str_cat("a.ivecs: ", c.message));
    EXPECT_EQ(rows.error().code, Code::kInvalid);
  }
  const std::string large = write("large.ivecs", "");
  std::filesystem::resize_file(large, kMaxIdFileBytes + 4);  // of zeros that are not there
  EXPECT_EQ(read_ivecs(large, 10).error().code, Code::kExhausted);
}

}  // namespace
}  // namespace kedge
