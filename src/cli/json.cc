#include "cli/json.h"

#include <boost/json.hpp>

#include "cli/terminal_text.h"

namespace kedge::cli {
namespace {

namespace json = boost::json;

std::string text(const std::string& value) { return replace_invalid(value); }

json::array texts(const std::vector<std::string>& values) {
  json::array out;
  for (const std::string& value : values) out.push_back(json::string(text(value)));
  return out;
}

std::string line(const json::value& value) { return json::serialize(value) + "\n"; }

// The reference's own JSON, as an object to be added to.
json::object object_of(const Reference& reference) {
  boost::system::error_code error;
  json::value parsed = json::parse(to_json(reference), error);
  return error ? json::object() : std::move(parsed.get_object());
}

json::array problems_of(const std::vector<Problem>& problems) {
  json::array out;
  for (const Problem& problem : problems) {
    out.push_back(json::object{{"key", text(problem.key)}, {"reason", text(problem.reason)}});
  }
  return out;
}

json::object object_of(const SyncCounts& c) {
  return {{"source", text(c.source)},
          {"include", texts(c.include)},
          {"exclude", texts(c.exclude)},
          {"listed", c.listed},
          {"indexed", c.indexed},
          {"failed", c.failed},
          {"skipped", c.skipped},
          {"pending", c.pending},
          {"vanished", c.vanished},
          {"sidecars", c.sidecars},
          {"sidecars_alone", c.sidecars_alone},
          {"added", c.added},
          {"changed", c.changed},
          {"unchanged", c.unchanged},
          {"rewritten", c.rewritten},
          {"deleted", c.deleted},
          {"withheld", c.withheld},
          {"unproven", c.unproven},
          {"objects_read", c.objects_read},
          {"bytes_read", c.bytes_read},
          {"chunks", c.chunks},
          {"chunks_embedded", c.chunks_embedded},
          {"chunks_from_cache", c.chunks_from_cache},
          {"tokens", c.tokens},
          {"split_objects", c.split_objects},
          {"seconds", c.seconds},
          {"model_seconds", c.model_seconds},
          {"commits", c.commits},
          {"generation", c.generation},
          {"stopped", c.stopped},
          {"proven_unchanged", c.proven_unchanged},
          {"problems", problems_of(c.problems)}};
}

json::object object_of(const StoreUsage& u) {
  return {{"reads", u.reads},     {"stats", u.stats},       {"puts", u.puts},
          {"creates", u.creates}, {"swaps", u.swaps},       {"removes", u.removes},
          {"lists", u.lists},     {"bytes_in", u.bytes_in}, {"bytes_out", u.bytes_out},
          {"hedges", u.hedges},   {"billed", u.billed},     {"cost_usd", u.cost_usd}};
}

}  // namespace

std::string json_of(const Error& error, const std::string& hint) {
  return line(json::object{{"error",
                            {{"code", std::string(code_name(error.code))},
                             {"message", text(error.message)},
                             {"hint", text(hint)}}}});
}

std::string json_of(const SyncResult& result) {
  json::array sources;
  for (const SyncCounts& counts : result.sources) sources.push_back(object_of(counts));
  return line(json::object{{"sources", std::move(sources)},
                           {"index_usage", object_of(result.index_usage)},
                           {"source_usage", object_of(result.source_usage)},
                           {"estimated_seconds", result.estimated_seconds},
                           {"forecast", object_of(result.forecast)},
                           {"stopped", result.stopped}});
}

std::string json_of(const SearchResponse& response) {
  json::array results;
  for (const SearchHit& hit : response.hits) {
    json::object out = object_of(hit.reference);
    out["score"] = hit.score;
    out["distance"] = hit.distance;
    out["proof"] = proof_name(hit.proof);
    out["proof_detail"] = text(hit.proof_detail);
    out["snippet"] = text(hit.snippet);
    if (!hit.raw.empty()) out["raw"] = text(hit.raw);
    if (!hit.link.empty()) out["link"] = text(hit.link);
    results.push_back(std::move(out));
  }
  const Explain& e = response.explain;
  return line(json::object{{"results", std::move(results)},
                           {"generation", response.generation},
                           {"synced_at", response.synced_at},
                           {"exact", response.exact},
                           {"partial", response.partial},
                           {"unreadable", texts(response.unreadable)},
                           {"explain",
                            {{"rounds_index", e.rounds_index},
                             {"rounds_search", e.rounds_search},
                             {"rounds_source", e.rounds_source},
                             {"requests", e.requests},
                             {"bytes", e.bytes},
                             {"segments", e.segments},
                             {"rows", e.rows},
                             {"hedges", e.hedges},
                             {"disk_blocks", e.disk_blocks},
                             {"disk_bytes", e.disk_bytes},
                             {"open_seconds", e.open_seconds},
                             {"model_load_seconds", e.model_load_seconds},
                             {"embed_seconds", e.embed_seconds},
                             {"search_seconds", e.search_seconds},
                             {"snippet_seconds", e.snippet_seconds},
                             {"simd", e.simd},
                             {"index_usage", object_of(e.index_usage)},
                             {"source_usage", object_of(e.source_usage)}}}});
}

std::string json_of(const VerifyResult& result) {
  json::array sources;
  for (const SourceDrift& drift : result.sources) {
    json::array items;
    for (const DriftItem& item : drift.items) {
      items.push_back(json::object{
          {"kind", item.kind}, {"key", text(item.key)}, {"detail", text(item.detail)}});
    }
    sources.push_back(json::object{{"source", text(drift.source)},
                                   {"listed", drift.listed},
                                   {"indexed", drift.indexed},
                                   {"missing", drift.missing},
                                   {"changed", drift.changed},
                                   {"gone", drift.gone},
                                   {"unreadable", drift.unreadable},
                                   {"unproven", drift.unproven},
                                   {"proven_equal", drift.proven_equal},
                                   {"error", text(drift.error)},
                                   {"items", std::move(items)}});
  }
  json::array lost;
  for (const LostSegment& segment : result.not_rebuilt) {
    lost.push_back(json::object{{"file", text(segment.file)},
                                {"reason", text(segment.reason)},
                                {"let_go", segment.let_go},
                                {"objects", segment.objects},
                                {"keys", texts(segment.keys)}});
  }
  json::array repaired;
  for (const SyncCounts& counts : result.repaired) repaired.push_back(object_of(counts));
  return line(json::object{{"clean", result.clean()},
                           {"sources", std::move(sources)},
                           {"repaired", std::move(repaired)},
                           {"head_damaged", result.head_damaged},
                           {"head_repaired", result.head_repaired},
                           {"recovered", texts(result.recovered)},
                           {"not_recovered", texts(result.not_recovered)},
                           {"index_usage", object_of(result.index_usage)},
                           {"source_usage", object_of(result.source_usage)},
                           {"damaged_files", texts(result.damaged_files)},
                           {"mended_files", texts(result.mended_files)},
                           {"segments_let_go", texts(result.segments_let_go)},
                           {"objects_let_go", result.objects_let_go},
                           {"objects_back", result.objects_back},
                           {"trees_mended", result.trees_mended},
                           {"not_rebuilt", std::move(lost)}});
}

std::string json_of(const StatusReport& report) {
  json::array sources;
  for (const SourceStatus& s : report.sources) {
    sources.push_back(json::object{{"uri", text(s.uri)},
                                   {"objects", s.objects},
                                   {"indexed", s.indexed},
                                   {"failed", s.failed},
                                   {"skipped", s.skipped},
                                   {"pending", s.pending},
                                   {"withheld_deletes", s.withheld_deletes},
                                   {"synced_at", s.synced_at},
                                   {"set_hash", s.set_hash},
                                   {"include", texts(s.include)},
                                   {"exclude", texts(s.exclude)},
                                   {"max_object_bytes", s.max_object_bytes},
                                   {"problems", problems_of(s.problems)}});
  }
  return line(json::object{{"index", text(report.index)},
                           {"generation", report.generation},
                           {"commit_id", report.commit_id},
                           {"committed_at", report.committed_at},
                           {"space", text(report.space)},
                           {"segments", report.segments},
                           {"files", report.files},
                           {"bytes", report.bytes},
                           {"chunks", report.chunks},
                           {"dead_objects", report.dead_objects},
                           {"recovered", report.recovered},
                           {"sources", std::move(sources)}});
}

std::string json_of(const DoctorReport& report) {
  json::array checks;
  for (const Check& check : report.checks) {
    checks.push_back(json::object{{"name", text(check.name)},
                                  {"ok", check.ok},
                                  {"warning", check.warning},
                                  {"detail", text(check.detail)}});
  }
  json::object out{{"ok", report.ok()}, {"checks", std::move(checks)}};
  const std::pair<const char*, const std::string&> policies[] = {
      {"policy", report.policy}, {"search_policy", report.search_policy}};
  for (const auto& [name, document] : policies) {
    boost::system::error_code error;
    json::value policy = json::parse(document, error);
    if (!error) out[name] = std::move(policy);
  }
  return line(out);
}

std::string json_of(const WarmResult& result) {
  json::array planes;
  for (const WarmedPlane& plane : result.planes) {
    planes.push_back(json::object{{"name", plane.name},
                                  {"blocks", plane.blocks},
                                  {"bytes", plane.bytes},
                                  {"blocks_there", plane.blocks_there},
                                  {"bytes_there", plane.bytes_there},
                                  {"blocks_left_out", plane.blocks_left_out},
                                  {"bytes_left_out", plane.bytes_left_out}});
  }
  return line(json::object{{"folder", text(result.folder)},
                           {"generation", result.generation},
                           {"planes", std::move(planes)},
                           {"blocks_read", result.blocks_read},
                           {"bytes_read", result.bytes_read},
                           {"blocks_lost", result.blocks_lost},
                           {"unreadable", texts(result.unreadable)},
                           {"index_usage", object_of(result.index_usage)},
                           {"forecast", object_of(result.forecast)},
                           {"seconds", result.seconds},
                           {"stopped", result.stopped}});
}

std::string json_of(const GcReport& r) {
  return line(json::object{{"kept", r.kept},
                           {"young", r.young},
                           {"foreign", r.foreign},
                           {"removed", r.removed},
                           {"removed_bytes", r.removed_bytes},
                           {"history_removed", r.history_removed},
                           {"versions", r.versions},
                           {"markers", r.markers},
                           {"uploads", r.uploads},
                           {"version_bytes", r.version_bytes},
                           {"not_swept", text(r.not_swept)},
                           {"dropped", r.dropped},
                           {"held", r.held},
                           {"index_usage", object_of(r.index_usage)},
                           {"stopped", text(r.stopped)}});
}

std::string json_of_key(const std::string& key, std::uint64_t size, bool goes,
                        const std::string& why) {
  return json::serialize(
      json::object{{"key", text(key)}, {"bytes", size}, {"goes", goes}, {"why", text(why)}});
}

std::string json_of(const std::vector<Generation>& generations) {
  json::array out;
  for (const Generation& g : generations) {
    out.push_back(json::object{{"generation", g.generation},
                               {"commit_id", g.commit_id},
                               {"committed_at", g.committed_at},
                               {"objects", g.objects},
                               {"chunks", g.chunks},
                               {"segments", g.segments},
                               {"bytes", g.bytes},
                               {"pinned_by", text(g.pinned_by)},
                               {"dropped", g.dropped},
                               {"current", g.current}});
  }
  return line(json::object{{"generations", std::move(out)}});
}

std::string json_of(const std::vector<PinInfo>& pins) {
  json::array out;
  for (const PinInfo& pin : pins) {
    out.push_back(json::object{
        {"name", text(pin.name)}, {"generation", pin.generation}, {"created", pin.created}});
  }
  return line(json::object{{"pins", std::move(out)}});
}

std::string json_of(const std::vector<GetRequest>& requests,
                    const std::vector<GetOutcome>& outcomes) {
  json::array out;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    json::object one{{"uri", text(requests[i].reference.uri)},
                     {"version_id", text(requests[i].reference.version_id)},
                     {"status", get_status_name(outcomes[i].status)},
                     {"size", outcomes[i].bytes.size()},
                     {"detail", text(outcomes[i].detail)}};
    if (outcomes[i].version_readable) one["version_readable"] = *outcomes[i].version_readable;
    if (!outcomes[i].link.empty()) one["link"] = text(outcomes[i].link);
    out.push_back(std::move(one));
  }
  return line(json::object{{"outcomes", std::move(out)}});
}

}  // namespace kedge::cli
