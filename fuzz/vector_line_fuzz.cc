// Any bytes as a line of vectors. What is accepted obeys the limits, and written again in the plain
// form it is the same record.
#include <boost/json.hpp>
#include <cmath>
#include <cstdint>

#include "format/space.h"
#include "ingest/json_metadata.h"
#include "ingest/vector_lines.h"
#include "store/object_store.h"

namespace {

namespace json = boost::json;

json::value json_of(const kedge::MetadataValue& value) {
  const auto of_scalar = [](const auto& one) { return json::value(one); };
  json::array list;
  for (const kedge::MetadataScalar& one : kedge::scalars_of(value))
    list.push_back(std::visit(of_scalar, one));
  return std::holds_alternative<kedge::MetadataList>(value) ? json::value(list) : list.at(0);
}

std::string written(const kedge::VectorRecord& record) {
  json::object metadata;
  for (const auto& [name, value] : record.metadata) metadata[name] = json_of(value);
  json::object line{{"vector", json::value_from(record.values)}, {"metadata", metadata}};
  if (!record.id.empty()) line["id"] = record.id;
  return json::serialize(line);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  kedge::VectorRecord record;
  if (const auto problem = kedge::parse_vector_line(line, record)) {
    KEDGE_CHECK(problem->at <= size && !problem->what.empty());
    return 0;
  }
  KEDGE_CHECK(!record.values.empty() && record.values.size() <= kedge::kMaxDimension);
  for (const float value : record.values) KEDGE_CHECK(std::isfinite(value));
  KEDGE_CHECK(record.id.size() <= kedge::kMaxKeyBytes);
  KEDGE_CHECK(record.metadata.size() <= kedge::kMaxJsonFields);
  for (std::size_t i = 1; i < record.metadata.size(); ++i)
    KEDGE_CHECK(record.metadata[i - 1].first < record.metadata[i].first);
  kedge::VectorRecord again;
  KEDGE_CHECK(!kedge::parse_vector_line(written(record), again));
  KEDGE_CHECK(again.id == record.id && again.values == record.values);
  KEDGE_CHECK(again.metadata == record.metadata);
  return 0;
}
