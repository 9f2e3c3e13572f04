// import and compact, and a vector to search by.
#include <algorithm>
#include <chrono>

#include "api/operations.h"
#include "api/planes.h"
#include "base/strings.h"
#include "ingest/import.h"
#include "ingest/vector_lines.h"

namespace kedge {
namespace {

Progress progress_of(std::string phase, std::string unit, std::uint64_t done, std::uint64_t of) {
  Progress out;
  out.phase = std::move(phase);
  out.unit = std::move(unit);
  out.listed = done;
  out.objects = of;
  out.objects_done = done;
  return out;
}

// What a merge tells the request, if it asks for it.
template <typename Request>
RowsProgress merging(const Request& request) {
  if (!request.progress) return {};
  return [&request](std::uint64_t done, std::uint64_t rows) {
    request.progress(progress_of("merging", "rows", done, rows));
  };
}

}  // namespace

PlaneBytes plane_bytes_of(const IndexState& state) {
  PlaneBytes out;
  const auto size = [](const SegmentEntry& entry, Plane plane) {
    return entry.planes[static_cast<std::size_t>(plane)].size;
  };
  for (const SegmentEntry& entry : state.segments) {
    out.docs += size(entry, Plane::kDocs);
    out.keys += size(entry, Plane::kKeys);
    out.codes += size(entry, Plane::kCodes);
    out.refine += size(entry, Plane::kRefine);
    out.vectors += size(entry, Plane::kVectors);
    out.text += size(entry, Plane::kText);
    out.attributes += size(entry, Plane::kAttributes);
    out.directory += size(entry, Plane::kDirectory);
  }
  for (const TreeEntry& tree : state.trees) out.tree += tree.bytes;
  return out;
}

Result<Metric> parse_metric(std::string_view name) {
  if (name == "cosine") return Metric::kCosine;
  if (name == "l2") return Metric::kL2;
  if (name == "dot") return Metric::kDot;
  return {Code::kInvalid, str_cat("metric is ", printable(name), ", not cosine, l2 or dot")};
}

Result<std::vector<float>> read_vector(const std::string& array_or_file) {
  VectorRecord record;
  if (array_or_file.starts_with('[')) {
    constexpr std::string_view kBefore = "{\"vector\": ";
    const auto problem = parse_vector_line(str_cat(kBefore, array_or_file, "}"), record);
    if (problem && problem->memory) return {Code::kExhausted, problem->what};
    if (problem) {
      const std::size_t at = problem->at - std::min(problem->at, kBefore.size());
      return {Code::kInvalid, str_cat("the vector, at byte ", at, ": ", problem->what)};
    }
    return std::move(record.values);
  }
  const std::unique_ptr<VectorInput> input = KEDGE_TRY(VectorInput::open(array_or_file));
  if (!KEDGE_TRY(input->next(record)))
    return {Code::kInvalid, str_cat(printable(array_or_file), " holds no vector")};
  return std::move(record.values);
}

Result<ImportResult> run_import(Session& session, const ImportRequest& request) {
  KEDGE_TRY(session.may_write());
  const double began = session.seconds();
  const std::unique_ptr<VectorInput> input = KEDGE_TRY(VectorInput::open(request.file));
  ImportOptions options;
  options.metric = KEDGE_TRY(parse_metric(request.metric));
  options.model = request.model;
  options.batch_bytes = session.memory_bytes() / 4;
  if (request.batch > 0) options.batch = request.batch;
  options.merging = request.compact ? Merging::kLater : Merging::kNow;
  const std::uint64_t of = input->count().value_or(0);
  if (request.progress) {
    options.on_progress = [&](std::uint64_t records) {
      request.progress(progress_of("importing", "records", records, of));
    };
  }
  Index* index = KEDGE_TRY(session.index(true));
  const ImportReport report = KEDGE_TRY(import_vectors(
      *index, *input, request.file, options, *session.environment().executor, session.deadline()));
  if (request.compact) KEDGE_TRY(index->compact(false, session.deadline(), merging(request)));
  return ImportResult{
      .records = report.records, .commits = report.commits, .seconds = session.seconds() - began};
}

Result<CompactResult> run_compact(Session& session, const CompactRequest& request) {
  KEDGE_TRY(session.may_write());
  const double began = session.seconds();
  Index* index = KEDGE_TRY(session.index(false));
  CompactResult out;
  out.rewritten = KEDGE_TRY(index->compact(request.retrain, session.deadline(), merging(request)));
  const SnapshotPtr snapshot = KEDGE_TRY(index->latest(session.deadline()));
  for (const SegmentEntry& entry : snapshot->state().segments) out.rows += entry.rows;
  for (const TreeEntry& tree : snapshot->state().trees) out.lists += tree.leaves;
  out.segments = snapshot->state().segments.size();
  out.bytes = plane_bytes_of(snapshot->state());
  out.seconds = session.seconds() - began;
  return out;
}

}  // namespace kedge
