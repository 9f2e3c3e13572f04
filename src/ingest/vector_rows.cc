#include "ingest/vector_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/random.h"
#include "base/strings.h"
#include "format/space.h"
#include "ingest/npy_header.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr std::uint64_t kPrefixBytes = 4;  // of a row of .fvecs: its dimension

// Where the rows lie.
struct Layout {
  ElementType type = ElementType::kF32;
  std::uint64_t offset = 0;        // of the first row
  std::uint64_t prefix_bytes = 0;  // before the values of each row
  std::uint64_t rows = 0;
  std::uint32_t dimension = 0;
  [[nodiscard]] std::uint64_t row_bytes() const {
    return prefix_bytes + dimension * element_bytes(type);
  }
};

template <typename T>
void widen(ByteView from, std::span<float> to) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    T value{};
    std::memcpy(&value, from.data() + i * sizeof(T), sizeof(T));
    to[i] = static_cast<float>(value);
  }
}

// A double over the range of f32 becomes infinite, and is refused with the infinite ones.
void widen_f64(ByteView from, std::span<float> to) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  for (std::size_t i = 0; i < to.size(); ++i) {
    double value = 0;
    std::memcpy(&value, from.data() + i * sizeof value, sizeof value);
    to[i] = std::abs(value) > kLargest ? std::numeric_limits<float>::infinity()
                                       : static_cast<float>(value);
  }
}

void widen_f16(ByteView from, std::span<float> to) {
  std::vector<std::uint16_t> halves(to.size());
  std::memcpy(halves.data(), from.data(), from.size());
  kernels().f16_to_f32(halves.data(), to.data(), to.size());
}

class RowInput final : public VectorInput {
 public:
  RowInput(InputFile file, const Layout& layout)
      : file_(std::move(file)), layout_(layout), row_(layout.row_bytes()) {}

  [[nodiscard]] std::uint32_t dimension() const override { return layout_.dimension; }
  [[nodiscard]] std::optional<std::uint64_t> count() const override { return layout_.rows; }

  Result<bool> next(VectorRecord& record) override {
    if (at_ == layout_.rows) return false;
    record.id = row_id(at_);
    record.metadata.clear();
    record.values.resize(layout_.dimension);
    KEDGE_TRY(read_row(at_, record.values));
    ++at_;
    return true;
  }

  Result<std::vector<float>> sample(std::size_t count, std::uint64_t seed) override;

 private:
  Status read_row(std::uint64_t row, std::span<float> out);

  InputFile file_;
  Layout layout_;
  Bytes row_;
  std::uint64_t at_ = 0;
};

Status RowInput::read_row(std::uint64_t row, std::span<float> out) {
  const std::uint64_t offset = layout_.offset + row * layout_.row_bytes();
  KEDGE_TRY(file_.read(offset, row_));
  if (layout_.prefix_bytes != 0) {
    const auto said = ByteReader(row_).get<std::int32_t>();
    if (said != static_cast<std::int32_t>(layout_.dimension)) {
      return file_.bad(str_cat("row ", row), offset,
                       str_cat("dimension ", said, ", expected ", layout_.dimension));
    }
  }
  const ByteView values = ByteView(row_).subspan(layout_.prefix_bytes);
  switch (layout_.type) {
    case ElementType::kF16:
      widen_f16(values, out);
      break;
    case ElementType::kF32:
      std::memcpy(out.data(), values.data(), values.size());
      break;
    case ElementType::kF64:
      widen_f64(values, out);
      break;
    case ElementType::kI8:
      widen<std::int8_t>(values, out);
      break;
    case ElementType::kU8:
      widen<std::uint8_t>(values, out);
      break;
  }
  const auto bad = std::find_if(out.begin(), out.end(), [](float v) { return !std::isfinite(v); });
  if (bad != out.end()) {
    const auto column = static_cast<std::uint64_t>(bad - out.begin());
    return file_.bad(str_cat("row ", row),
                     offset + layout_.prefix_bytes + column * element_bytes(layout_.type),
                     str_cat("value ", column, " is not finite"));
  }
  return {};
}

// Selection sampling: each row is taken with the chance that it has left, in the file's order.
Result<std::vector<float>> RowInput::sample(std::size_t count, std::uint64_t seed) {
  const std::uint64_t wanted = std::min<std::uint64_t>(count, layout_.rows);
  std::vector<float> out;
  out.reserve(wanted * layout_.dimension);
  SeededRandom random(seed);
  std::uint64_t taken = 0;
  for (std::uint64_t row = 0; taken < wanted; ++row) {
    if (random.below(layout_.rows - row) >= wanted - taken) continue;
    out.resize(out.size() + layout_.dimension);
    KEDGE_TRY(read_row(row, std::span(out).last(layout_.dimension)));
    ++taken;
  }
  return out;
}

Status check_dimension(const InputFile& file, std::uint64_t offset, std::int64_t dimension) {
  if (dimension < 1 || dimension > std::int64_t{kMaxDimension}) {
    return file.bad("header", offset,
                    str_cat("dimension ", dimension, ", expected 1 to ", kMaxDimension));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<VectorInput>> open_npy(InputFile file) {
  Bytes begin(std::min<std::uint64_t>(file.size(), NpyHeader::kMaxBytes));
  KEDGE_TRY(file.read(0, begin));
  auto header = NpyHeader::parse(begin);
  if (!header.ok()) {
    return {header.error().code, str_cat(printable(file.path()), ": ", header.error().message)};
  }
  KEDGE_TRY(check_dimension(file, 8,
                            static_cast<std::int64_t>(std::min<std::uint64_t>(
                                header->dimension, std::uint64_t{1} << 62))));
  const Layout layout{.type = header->type,
                      .offset = header->data_offset,
                      .rows = header->rows,
                      .dimension = static_cast<std::uint32_t>(header->dimension)};
  const std::uint64_t present = file.size() - header->data_offset;
  if (layout.rows == 0) return file.bad("header", 8, "no vectors");
  if (layout.rows > present / layout.row_bytes() || layout.rows * layout.row_bytes() != present) {
    return file.bad(str_cat("row ", std::min(layout.rows, present / layout.row_bytes())),
                    file.size(),
                    str_cat("the file ends, and does not with its ", layout.rows, " rows of ",
                            layout.row_bytes(), " bytes"));
  }
  return std::unique_ptr<VectorInput>(std::make_unique<RowInput>(std::move(file), layout));
}

Result<std::unique_ptr<VectorInput>> open_vecs(InputFile file, bool bytes) {
  if (file.size() == 0) return file.bad("row 0", 0, "no vectors");
  Bytes begin(kPrefixBytes);
  KEDGE_TRY(file.read(0, begin));
  const auto dimension = ByteReader(begin).get<std::int32_t>();
  KEDGE_TRY(check_dimension(file, 0, dimension));
  Layout layout{.type = bytes ? ElementType::kU8 : ElementType::kF32,
                .prefix_bytes = kPrefixBytes,
                .dimension = static_cast<std::uint32_t>(dimension)};
  layout.rows = file.size() / layout.row_bytes();
  if (layout.rows * layout.row_bytes() != file.size()) {
    return file.bad(str_cat("row ", layout.rows), file.size(),
                    str_cat("the file ends within a row of ", layout.row_bytes(),
                            " bytes, or its rows are not all of dimension ", dimension));
  }
  return std::unique_ptr<VectorInput>(std::make_unique<RowInput>(std::move(file), layout));
}

Result<IdRows> read_ivecs(const std::string& path, std::uint64_t id_bound) {
  InputFile file = KEDGE_TRY(InputFile::open(path));
  if (file.size() == 0) return file.bad("row 0", 0, "no rows");
  if (file.size() > kMaxIdFileBytes) {
    return {Code::kExhausted, str_cat(printable(path), ": over ", kMaxIdFileBytes, " bytes")};
  }
  Bytes row(kPrefixBytes);
  KEDGE_TRY(file.read(0, row));
  const auto width = ByteReader(row).get<std::int32_t>();
  if (width < 1 || static_cast<std::uint64_t>(width) > file.size() / sizeof(std::int32_t)) {
    return file.bad("row 0", 0, str_cat("a width of ", width));
  }
  IdRows out;
  out.width = static_cast<std::size_t>(width);
  row.resize(kPrefixBytes + out.width * sizeof(std::int32_t));
  for (std::uint64_t offset = 0; offset < file.size(); offset += row.size(), ++out.rows) {
    const std::string where = str_cat("row ", out.rows);
    if (file.size() - offset < row.size()) return file.bad(where, file.size(), "the file ends");
    KEDGE_TRY(file.read(offset, row));
    ByteReader reader(row);
    const auto said = reader.get<std::int32_t>();
    if (said != width) {
      return file.bad(where, offset, str_cat("a width of ", said, ", expected ", width));
    }
    for (std::size_t i = 0; i < out.width; ++i) {
      const auto id = reader.get<std::int32_t>();
      if (id < 0 || static_cast<std::uint64_t>(id) >= id_bound) {
        return file.bad(where, offset + kPrefixBytes + i * sizeof id,
                        str_cat("id ", id, ", expected 0 to under ", id_bound));
      }
      out.ids.push_back(id);
    }
  }
  return out;
}

}  // namespace kedge
