#include "ingest/vector_lines.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <exception>
#include <limits>

#include "base/allocation.h"
#include "base/random.h"
#include "base/strings.h"
#include "engine/json_text.h"
#include "format/space.h"
#include "ingest/json_metadata.h"
#include "store/object_store.h"

namespace kedge {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 32;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
using Problem = std::optional<LineProblem>;

Problem problem(std::string what) { return LineProblem{0, std::move(what)}; }

Problem read_id(const json::value& value, std::string& id) {
  if (value.is_int64()) {
    id = std::to_string(value.get_int64());
  } else if (value.is_uint64()) {
    id = std::to_string(value.get_uint64());
  } else if (value.is_string()) {
    id.assign(value.get_string().begin(), value.get_string().end());
  } else {
    return problem("the id is neither text nor a whole number");
  }
  if (id.empty() || id.size() > kMaxKeyBytes) {
    return problem(str_cat("an id of ", id.size(), " bytes, expected 1 to ", kMaxKeyBytes));
  }
  return std::nullopt;
}

Problem read_values(const json::value& value, std::vector<float>& values) {
  const json::array* array = value.if_array();
  if (array == nullptr) return problem("the vector is not an array");
  if (array->empty() || array->size() > kMaxDimension) {
    return problem(
        str_cat("a vector of ", array->size(), " values, expected 1 to ", kMaxDimension));
  }
  values.resize(array->size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    boost::system::error_code error;
    const auto number = (*array)[i].to_number<double>(error);
    if (error) return problem(str_cat("value ", i, " is not a number"));
    if (!(std::abs(number) <= std::numeric_limits<float>::max())) {
      return problem(str_cat("value ", i, " is not finite"));
    }
    values[i] = static_cast<float>(number);
  }
  return std::nullopt;
}

// {"float32": [...]}
Problem read_data(const json::value& value, std::vector<float>& values) {
  const json::object* object = value.if_object();
  const json::value* inside = object != nullptr ? object->if_contains("float32") : nullptr;
  if (inside == nullptr || object->size() != 1) {
    return problem("data is not an object of only float32");
  }
  return read_values(*inside, values);
}

Problem read_metadata(const json::value& value, VectorRecord& record) {
  const json::object* object = value.if_object();
  if (object == nullptr) return problem("the metadata is not an object");
  if (auto found = read_fields(*object, record.metadata)) return problem(*std::move(found));
  return std::nullopt;
}

Problem read_record(const json::value& value, VectorRecord& record) {
  const json::object* object = value.if_object();
  if (object == nullptr) return problem("not an object");
  bool has_id = false;
  bool has_vector = false;
  for (const auto& [key, field] : *object) {
    const std::string_view name = key;
    Problem found;
    if (name == "id" || name == "key") {
      if (has_id) return problem("two ids");
      has_id = true;
      found = read_id(field, record.id);
    } else if (name == "vector" || name == "embedding" || name == "values" || name == "data") {
      if (has_vector) return problem("two vectors");
      has_vector = true;
      found = name == "data" ? read_data(field, record.values) : read_values(field, record.values);
    } else if (name == "metadata") {
      found = read_metadata(field, record);
    } else {
      return problem(str_cat("unknown field '", printable(name), "': put it into the metadata"));
    }
    if (found) return found;
  }
  if (!has_vector) return problem("no vector");
  return std::nullopt;
}

class LineInput final : public VectorInput {
 public:
  explicit LineInput(InputFile file) : file_(std::move(file)) {}

  // Reads the first record, which says the dimension; next() reads it again.
  Status begin() {
    Place place;
    VectorRecord record;
    if (!KEDGE_TRY(read(place, record))) return file_.bad("line 1", 0, "no vectors");
    dimension_ = static_cast<std::uint32_t>(record.values.size());
    return {};
  }

  [[nodiscard]] std::uint32_t dimension() const override { return dimension_; }
  [[nodiscard]] std::optional<std::uint64_t> count() const override { return std::nullopt; }
  Result<bool> next(VectorRecord& record) override { return read(at_, record); }
  Result<std::vector<float>> sample(std::size_t count, std::uint64_t seed) override;

 private:
  struct Place {
    std::uint64_t offset = 0;
    std::uint64_t line = 0;  // the last one read, from 1
    std::uint64_t records = 0;
  };

  Result<bool> read(Place& place, VectorRecord& record);
  // The line at `place`, without its end, into line_; false at the end of the file.
  Result<bool> read_line(Place& place);

  InputFile file_;
  std::string line_;
  std::uint64_t line_offset_ = 0;
  Place at_;
  std::uint32_t dimension_ = 0;  // 0: not known yet
};

Result<bool> LineInput::read_line(Place& place) {
  line_.clear();
  line_offset_ = place.offset;
  bool some = false;
  while (true) {
    const std::string_view ready = as_text(KEDGE_TRY(file_.peek(place.offset)));
    if (ready.empty()) break;
    some = true;
    const std::size_t end = ready.find('\n');
    line_ += ready.substr(0, end);
    place.offset += std::min(end, ready.size() - 1) + 1;
    if (line_.size() > kMaxLineBytes) {
      return file_.bad(str_cat("line ", place.line + 1), line_offset_,
                       str_cat("over ", kMaxLineBytes, " bytes"));
    }
    if (end != std::string_view::npos) break;
  }
  if (some) ++place.line;
  return some;
}

Result<bool> LineInput::read(Place& place, VectorRecord& record) {
  while (KEDGE_TRY(read_line(place))) {
    std::string_view line = line_;
    if (line_offset_ == 0 && line.starts_with(kByteOrderMark)) {
      line.remove_prefix(kByteOrderMark.size());
    }
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto found = parse_vector_line(line, record);
    if (!found && dimension_ != 0 && record.values.size() != dimension_) {
      found = problem(str_cat("dimension ", record.values.size(), ", expected ", dimension_));
    }
    if (found && found->memory) return {Code::kExhausted, std::move(found->what)};
    if (found) {
      return file_.bad(str_cat("line ", place.line),
                       line_offset_ + (line_.size() - line.size()) + found->at, found->what);
    }
    if (record.id.empty()) record.id = row_id(place.records);
    ++place.records;
    return true;
  }
  return false;
}

// A reservoir: each record takes the place of another with the chance that keeps all alike.
Result<std::vector<float>> LineInput::sample(std::size_t count, std::uint64_t seed) {
  std::vector<std::pair<std::uint64_t, std::vector<float>>> kept;
  SeededRandom random(seed);
  Place place;
  VectorRecord record;
  while (count != 0 && KEDGE_TRY(read(place, record))) {
    const std::uint64_t row = place.records - 1;
    if (kept.size() < count) {
      kept.emplace_back(row, record.values);
    } else if (const std::uint64_t slot = random.below(row + 1); slot < count) {
      kept[slot] = {row, record.values};
    }
  }
  std::sort(kept.begin(), kept.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<float> out;
  out.reserve(kept.size() * dimension_);
  for (const auto& [row, values] : kept) out.insert(out.end(), values.begin(), values.end());
  return out;
}

}  // namespace

std::optional<LineProblem> parse_vector_line(std::string_view line, VectorRecord& record) try {
  record.id.clear();
  record.values.clear();
  record.metadata.clear();
  unsigned char memory[std::size_t{64} << 10];
  json::monotonic_resource resource(memory, sizeof memory);
  json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::system::error_code error;
  std::size_t read = 0;
  const json::value value = parse_json(line, options, &resource, error, read);
  if (error) return LineProblem{read, "not JSON: " + error.message()};
  return read_record(value, record);
} catch (...) {
  return LineProblem{0, memory_error("line").message, true};
}

Result<std::unique_ptr<VectorInput>> open_vector_lines(InputFile file) {
  auto input = std::make_unique<LineInput>(std::move(file));
  KEDGE_TRY(input->begin());
  return std::unique_ptr<VectorInput>(std::move(input));
}

}  // namespace kedge
