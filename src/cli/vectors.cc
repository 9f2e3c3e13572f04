// import, compact and bench ann: vectors of one's own, and how fast they are found.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/layout.h"
#include "cli/session.h"
#include "cli/terminal_text.h"
#include "cli/units.h"

namespace kedge::cli {
namespace {

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

Option metric_option(std::string* target) {
  Option out;
  out.name = "metric";
  out.value = "NAME";
  out.help = "how vectors are compared: cosine, l2 or dot";
  out.choices = {"cosine", "l2", "dot"};
  out.set = into(target);
  out.configurable = false;
  return out;
}

Option plain_option(const std::string& name, const std::string& value, const std::string& help,
                    Setter set, Offer offer = Offer::kNothing) {
  Option out;
  out.name = name;
  out.value = value;
  out.help = help;
  out.set = std::move(set);
  out.configurable = false;
  out.offer = offer;
  return out;
}

// What each plane takes, and a row of them.
std::string planes_text(const PlaneBytes& bytes, std::uint64_t rows) {
  const std::pair<const char*, std::uint64_t> planes[] = {
      {"codes", bytes.codes},         {"refine", bytes.refine},   {"tree", bytes.tree},
      {"directory", bytes.directory}, {"vectors", bytes.vectors}, {"docs", bytes.docs},
      {"text", bytes.text},           {"keys", bytes.keys},       {"attributes", bytes.attributes}};
  std::string out;
  for (const auto& [name, size] : planes) {
    if (size == 0) continue;
    std::string padded = name;
    padded.resize(12, ' ');
    out += "  " + padded + format_bytes(size);
    if (rows > 0)
      out += ", " + fixed(static_cast<double>(size) / static_cast<double>(rows), 1) + " a row";
    out += "\n";
  }
  return out;
}

std::string points_text(const std::vector<AnnPoint>& points) {
  std::string out = "  lists  exact  recall      QPS   p50 us   p99 us  rows scanned\n";
  for (const AnnPoint& p : points) {
    char line[128];
    std::snprintf(line, sizeof line, "%7u %6u  %.4f %8.0f %8.1f %8.1f %13.0f\n", p.probes, p.rerank,
                  p.recall, p.qps, p.p50_us, p.p99_us, p.rows_scanned);
    out += line;
  }
  return out;
}

std::string speeds_text(const std::vector<AnnPoint>& points) {
  std::string out;
  for (const AnnPoint& p : points) {
    out += "  recall " + fixed(p.recall, 4) + ": " +
           format_count(static_cast<std::uint64_t>(p.qps)) + " QPS (" + plural(p.probes, "list") +
           ")\n";
  }
  return out;
}

std::string cold_text(const std::vector<AnnCold>& points) {
  std::string out;
  for (const AnnCold& p : points) {
    out += "  recall " + fixed(p.recall, 4) + ": " + fixed(p.requests, 1) + " requests, " +
           format_bytes(static_cast<std::uint64_t>(p.bytes)) + ", " + fixed(p.rounds, 1) +
           " rounds; to open " + fixed(p.open_requests, 1) + " requests, " +
           format_bytes(static_cast<std::uint64_t>(p.open_bytes)) + "\n";
  }
  return out;
}

// The points that no other beats in both recall and speed.
std::vector<AnnPoint> front_of(std::vector<AnnPoint> points) {
  std::sort(points.begin(), points.end(),
            [](const AnnPoint& a, const AnnPoint& b) { return a.recall > b.recall; });
  std::vector<AnnPoint> out;
  for (const AnnPoint& point : points) {
    if (out.empty() || point.qps > out.back().qps) out.push_back(point);
  }
  std::reverse(out.begin(), out.end());
  return out;
}

struct BenchFlags {
  AnnBenchRequest request;
  std::uint32_t k = 10;
  bool json = false;
  std::vector<std::string> probes, reranks;
};

std::vector<Option> bench_options(BenchFlags* f) {
  std::vector<Option> out = {
      plain_option("base", "FILE", "vectors to search", into(&f->request.base), Offer::kFiles),
      plain_option("queries", "FILE", "vectors to ask for", into(&f->request.queries),
                   Offer::kFiles),
      plain_option("truth", "FILE", ".ivecs: of each query the numbers of its nearest rows",
                   into(&f->request.truth), Offer::kFiles),
      metric_option(&f->request.metric),
      plain_option("k", "NUMBER", "nearest rows wanted", number_into(&f->k)),
      plain_option("folder", "PATH", "for the index, which is removed at the end",
                   into(&f->request.folder), Offer::kFolders),
      plain_option("probes", "NUMBER", "lists to look into, instead of a sweep", into(&f->probes)),
      plain_option("rerank", "NUMBER", "rows to measure exactly, instead of some",
                   into(&f->reranks)),
      plain_option("list-rows", "NUMBER", "rows a list, instead of as many as suit their number",
                   number_into(&f->request.list_rows)),
      plain_option("batch", "NUMBER", "rows a commit of the build, instead of as many as fit",
                   number_into(&f->request.batch, UINT32_MAX)),
      plain_option("memory", "SIZE", "limit of the build (default: 512MiB)",
                   size_into(&f->request.memory_bytes)),
      plain_option("seconds", "SECONDS", "for each setting, at least one pass over the queries",
                   seconds_into(&f->request.seconds_a_point)),
      make_switch("json", "print JSON, every setting", into(&f->json), false)};
  for (Option& option : out) {
    if (option.name == "k") option.letters = "k";
    if (option.name == "probes" || option.name == "rerank") option.repeats = true;
  }
  return out;
}

}  // namespace

Command import_command() {
  auto request = std::make_shared<ImportRequest>();
  auto later = std::make_shared<bool>(false);
  Command out;
  out.name = "import";
  out.summary = "put vectors of your own into the index, as records";
  out.details =
      "FILE is .npy, .fvecs or .bvecs, whose rows get their numbers as keys, or .jsonl with a "
      "record "
      "a line: {\"id\": ..., \"vector\": [...], \"metadata\": {...}}. A record of a key that is "
      "there "
      "already takes its place.";
  out.examples = {"kedge import vectors.npy --index ./vectors.kedge",
                  "kedge import records.jsonl --metric dot"};
  out.arguments = {{.name = "FILE",
                    .help = "vectors, with ids and metadata or without",
                    .set = into(&request->file),
                    .offer = Offer::kFiles}};
  out.options = {
      metric_option(&request->metric),
      plain_option("made-by", "NAME", "the model that made the vectors", into(&request->model)),
      plain_option("batch", "NUMBER", "records a commit, instead of as many as fit",
                   number_into(&request->batch, UINT32_MAX)),
      make_switch("no-compact", "leave the merging for later", into(later.get()), false)};
  out.run = [request, later](Session& session) -> Result<int> {
    Result<Client*> client = session.client(Access::kWrite);
    if (!client.ok()) return client.error();
    request->compact = !*later;
    request->progress = [&](const Progress& progress) { session.progress().update(progress); };
    const Result<ImportResult> result = (*client)->import_vectors(*request);
    session.progress().erase();
    if (!result.ok()) return result.error();
    if (session.json()) {
      session.print(json_of(*result));
    } else {
      session.print(plural(result->records, "record") + " in " + fixed(result->seconds, 1) +
                    " s\n");
    }
    return kExitDone;
  };
  return out;
}

Command compact_command() {
  auto request = std::make_shared<CompactRequest>();
  Command out;
  out.name = "compact";
  out.summary = "make one segment of all, on a tree that fits its rows";
  out.details =
      "Commits merge what must not wait. This does the rest at once: dead objects leave the files, "
      "and searches read the fewest requests and bytes.";
  out.examples = {"kedge compact", "kedge compact --retrain"};
  out.options = {make_switch("retrain", "a new tree even where the old one fits",
                             into(&request->retrain), false)};
  out.run = [request](Session& session) -> Result<int> {
    Result<Client*> client = session.client(Access::kWrite);
    if (!client.ok()) return client.error();
    request->progress = [&](const Progress& progress) { session.progress().update(progress); };
    const Result<CompactResult> result = (*client)->compact(*request);
    session.progress().erase();
    if (!result.ok()) return result.error();
    if (session.json()) {
      session.print(json_of(*result));
    } else {
      session.print((result->rewritten > 0 ? "rewritten: " : "nothing to do: ") +
                    plural(result->rows, "row") + " in " + plural(result->segments, "segment") +
                    ", " + plural(result->lists, "list") + ", " + fixed(result->seconds, 1) +
                    " s\n" + planes_text(result->bytes, result->rows));
    }
    return kExitDone;
  };
  return out;
}

Command bench_ann_command() {
  auto flags = std::make_shared<BenchFlags>();
  Command out;
  out.name = "bench ann";
  out.summary = "measure recall and speed over your own vectors";
  out.details =
      "Builds an index of BASE in a temporary folder, loads it into memory and asks for the k "
      "nearest "
      "of every query, one query and one thread at a time, with more and more lists. Prints what "
      "no "
      "other setting beats.";
  out.examples = {
      "kedge bench ann --base base.fvecs --queries query.fvecs --truth truth.ivecs --metric l2 -k "
      "10"};
  out.opens_index = false;
  out.options = bench_options(flags.get());
  out.run = [=](Session& session) -> Result<int> {
    AnnBenchRequest* request = &flags->request;
    for (const std::string* file : {&request->base, &request->queries, &request->truth}) {
      if (file->empty())
        return session.usage_error("bench ann needs --base, --queries and --truth");
    }
    for (const auto& [texts, numbers] : {std::pair(&flags->probes, &request->probes),
                                         std::pair(&flags->reranks, &request->reranks)}) {
      for (const std::string& text : *texts) {
        const Result<std::uint64_t> number = parse_number(text, UINT32_MAX);
        if (!number.ok()) return number.error();
        numbers->push_back(static_cast<std::uint32_t>(*number));
      }
    }
    request->k = flags->k;
    request->on_progress = [&](const std::string& what) { session.note(what); };
    const Result<AnnBenchResult> result = bench_ann(*request);
    if (!result.ok()) return result.error();
    if (flags->json) {
      session.print(json_of(*result));
      return kExitDone;
    }
    const double rows = static_cast<double>(result->rows);
    session.print(
        format_count(result->rows) + " x " + std::to_string(result->dimension) + ", " +
        result->metric + ", " + plural(result->lists, "list") + ", " + result->simd +
        " kernels\nbuilt in " + fixed(result->build_seconds, 1) + " s, " +
        fixed(result->build_cpu_seconds, 1) + " s of CPU, " +
        format_count(static_cast<std::uint64_t>(rows / result->build_cpu_seconds)) +
        " vectors a CPU second\n" + planes_text(result->bytes, result->rows) + "one thread:\n" +
        points_text(front_of(result->points)) + std::to_string(result->threads) + " threads:\n" +
        speeds_text(result->points_all) + "all queries in one call, " +
        std::to_string(result->threads) + " threads:\n" + speeds_text(result->points_batch) +
        "nothing of the index in memory or on disk, a query:\n" + cold_text(result->cold));
    return kExitDone;
  };
  return out;
}

}  // namespace kedge::cli
