// What import, compact and bench ann print with --json.
#include <boost/json.hpp>

#include "cli/json.h"

namespace kedge::cli {
namespace {

namespace json = boost::json;

std::string line(const json::value& value) { return json::serialize(value) + "\n"; }

json::object object_of(const PlaneBytes& bytes) {
  return {{"docs", bytes.docs},
          {"keys", bytes.keys},
          {"codes", bytes.codes},
          {"refine", bytes.refine},
          {"vectors", bytes.vectors},
          {"text", bytes.text},
          {"attributes", bytes.attributes},
          {"directory", bytes.directory},
          {"tree", bytes.tree}};
}

json::array array_of(const std::vector<AnnPoint>& points) {
  json::array out;
  for (const AnnPoint& point : points) {
    out.push_back(json::object{{"probes", point.probes},
                               {"rerank", point.rerank},
                               {"recall", point.recall},
                               {"qps", point.qps},
                               {"p50_us", point.p50_us},
                               {"p99_us", point.p99_us},
                               {"rows_scanned", point.rows_scanned}});
  }
  return out;
}

json::array array_of(const std::vector<AnnCold>& points) {
  json::array out;
  for (const AnnCold& point : points) {
    out.push_back(json::object{{"recall", point.recall},
                               {"rounds", point.rounds},
                               {"requests", point.requests},
                               {"bytes", point.bytes},
                               {"open_requests", point.open_requests},
                               {"open_bytes", point.open_bytes}});
  }
  return out;
}

}  // namespace

std::string json_of(const ImportResult& result) {
  return line(json::object{
      {"records", result.records}, {"commits", result.commits}, {"seconds", result.seconds}});
}

std::string json_of(const CompactResult& result) {
  return line(json::object{{"rewritten", result.rewritten},
                           {"rows", result.rows},
                           {"segments", result.segments},
                           {"lists", result.lists},
                           {"bytes", object_of(result.bytes)},
                           {"seconds", result.seconds}});
}

std::string json_of(const AnnBenchResult& result) {
  const double per_second = result.build_cpu_seconds > 0
                                ? static_cast<double>(result.rows) / result.build_cpu_seconds
                                : 0;
  return line(json::object{{"metric", result.metric},
                           {"simd", result.simd},
                           {"rows", result.rows},
                           {"dimension", result.dimension},
                           {"queries", result.queries},
                           {"lists", result.lists},
                           {"build", json::object{{"seconds", result.build_seconds},
                                                  {"cpu_seconds", result.build_cpu_seconds},
                                                  {"import_cpu_seconds", result.import_cpu_seconds},
                                                  {"vectors_per_cpu_second", per_second},
                                                  {"peak_mib", result.peak_mib},
                                                  {"bytes", object_of(result.bytes)}}},
                           {"threads", 1},
                           {"points", array_of(result.points)},
                           {"all_threads", result.threads},
                           {"threads_all", array_of(result.points_all)},
                           {"batch", array_of(result.points_batch)},
                           {"cold", array_of(result.cold)}});
}

}  // namespace kedge::cli
