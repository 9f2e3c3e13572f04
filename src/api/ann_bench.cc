// The benchmark of search over vectors: what `kedge bench ann` prints.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <utility>

#include "api/operations.h"
#include "api/planes.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "base/strings.h"
#include "engine/index.h"
#include "ingest/import.h"
#include "simd/kernels.h"
#include "store/counting_store.h"
#include "store/file_store.h"

namespace kedge {
namespace {

namespace fs = std::filesystem;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double peak_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// A folder that goes with the object.
class Folder {
 public:
  static Result<Folder> make(const std::string& chosen) {
    std::error_code error;
    const fs::path path = chosen.empty()
                              ? fs::temp_directory_path(error) /
                                    ("kedge-bench-" + Id128::random(system_random()).hex())
                              : fs::path(chosen);
    if (!error && fs::exists(path, error) && !fs::is_empty(path, error))
      return {Code::kInvalid, str_cat(printable(path.string()), " is there and not empty")};
    fs::create_directories(path, error);
    if (error)
      return {Code::kUnavailable, str_cat(printable(path.string()), ": ", error.message())};
    return Folder(path);
  }
  Folder(Folder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Folder& operator=(Folder&&) = delete;
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  explicit Folder(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

constexpr std::size_t kColdQueries = 20;

class AnnBench {
 public:
  explicit AnnBench(const AnnBenchRequest& request) : request_(request) {}

  Result<AnnBenchResult> run() {
    out_.metric = request_.metric;
    out_.simd = kernels().name;
    metric_ = KEDGE_TRY(parse_metric(request_.metric));
    const std::size_t width =
        request_.threads > 0
            ? request_.threads
            : static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
    out_.threads = static_cast<std::uint32_t>(width);
    executor_ = make_thread_pool(width);
    Folder folder = KEDGE_TRY(Folder::make(request_.folder));
    folder_ = folder.path();
    const std::unique_ptr<ObjectStore> files =
        KEDGE_TRY(open_file_store(folder.path(), system_clock(), system_random(), *executor_));
    CountingStore store(*files);
    const Environment environment{.store = store,
                                  .clock = system_clock(),
                                  .random = system_random(),
                                  .executor = *executor_,
                                  .log = silent_log()};
    KEDGE_TRY(read_queries());
    KEDGE_TRY(build(environment));
    KEDGE_TRY(search_cold(environment, store));
    say("loading");
    KEDGE_TRY(index_->load(snapshot_, UINT64_MAX, Deadline::never()));
    KEDGE_TRY(sweep());
    snapshot_.reset();
    index_.reset();
    return std::move(out_);
  }

 private:
  void say(const std::string& what) const {
    if (request_.on_progress) request_.on_progress(what);
  }

  Status read_queries() {
    const std::unique_ptr<VectorInput> input = KEDGE_TRY(VectorInput::open(request_.queries));
    VectorRecord record;
    while (KEDGE_TRY(input->next(record))) queries_.push_back(record.values);
    if (queries_.empty()) return {Code::kInvalid, "no queries"};
    out_.queries = queries_.size();
    return {};
  }

  Status build(const Environment& environment) {
    const std::unique_ptr<VectorInput> input = KEDGE_TRY(VectorInput::open(request_.base));
    const double began = now_seconds();
    const double cpu = cpu_seconds();
    IndexOptions options;
    options.cache_bytes = 64ULL << 20;
    options.list_rows = request_.list_rows;
    options.memory_bytes = request_.memory_bytes;
    options.scratch_folder = folder_;
    index_ = KEDGE_TRY(Index::create(environment, options, Deadline::never()));
    ImportOptions import;
    import.metric = metric_;
    import.batch_bytes = request_.memory_bytes / 4;
    if (request_.batch > 0) import.batch = request_.batch;
    say(str_cat("importing ", printable(request_.base)));
    const ImportReport report = KEDGE_TRY(
        import_vectors(*index_, *input, request_.base, import, *executor_, Deadline::never()));
    out_.import_cpu_seconds = cpu_seconds() - cpu;
    say("compacting");
    KEDGE_TRY(index_->compact(false, Deadline::never()));
    out_.build_seconds = now_seconds() - began;
    out_.build_cpu_seconds = cpu_seconds() - cpu;
    out_.peak_mib = peak_mib();
    out_.rows = report.records;
    out_.dimension = input->dimension();
    space_ = report.space;
    for (const std::vector<float>& query : queries_) {
      if (query.size() != out_.dimension)
        return {Code::kInvalid,
                str_cat("queries have ", query.size(), " dimensions, the base ", out_.dimension)};
    }
    truth_ = KEDGE_TRY(read_ivecs(request_.truth, report.records));
    if (truth_.rows < queries_.size() || truth_.width < request_.k)
      return {Code::kInvalid, str_cat("truth has ", truth_.rows, " rows of ", truth_.width, " for ",
                                      queries_.size(), " queries and k ", request_.k)};
    snapshot_ = KEDGE_TRY(index_->latest(Deadline::never()));
    out_.bytes = plane_bytes_of(snapshot_->state());
    for (const TreeEntry& tree : snapshot_->state().trees) out_.lists += tree.leaves;
    return number_rows();
  }

  // Truth names rows of the base; hits name objects of segments, whose keys are those numbers.
  Status number_rows() {
    const std::unique_ptr<ObjectCursor> cursor =
        index_->scan(snapshot_, snapshot_->source(kRecordsUri)->number, "");
    std::uint64_t number = 0;
    for (const auto& segment : snapshot_->state().segments)
      numbers_[segment.id].resize(segment.objects);
    while (auto object = KEDGE_TRY(cursor->next(Deadline::never())))
      numbers_[object->segment][object->number] = number++;
    return {};
  }

  SearchRequest request_of(std::size_t query, std::uint32_t probes, std::uint32_t rerank) const {
    SearchRequest out;
    out.query = queries_[query];
    out.space = space_;
    out.k = request_.k;
    out.group_by_object = false;
    out.collapse_equal = false;
    out.detail = Detail::kRow;
    out.probes = probes;
    out.rerank = rerank;
    return out;
  }

  [[nodiscard]] std::uint64_t right(std::size_t query, const SearchResult& result) const {
    const std::int32_t* truth = truth_.ids.data() + query * truth_.width;
    std::uint64_t out = 0;
    for (const Hit& hit : result.hits) {
      const std::uint64_t number = numbers_.at(hit.object.segment)[hit.object.number];
      out += static_cast<std::uint64_t>(
          std::count(truth, truth + request_.k, static_cast<std::int32_t>(number)));
    }
    return out;
  }

  // Some queries, each by a handle of its own that has nothing in memory.
  Status search_cold(const Environment& environment, const CountingStore& store) {
    const std::size_t asked = std::min(kColdQueries, queries_.size());
    for (const double recall : {0.9, 0.95}) {
      AnnCold point;
      std::uint64_t found = 0;
      for (std::size_t q = 0; q < asked; ++q) {
        const StoreCounts before = store.counts();
        const std::unique_ptr<Index> cold =
            KEDGE_TRY(Index::open(environment, {}, Deadline::never()));
        const StoreCounts opened = store.counts() - before;
        SearchRequest request = request_of(q, 0, 0);
        request.detail = Detail::kReference;
        request.recall = recall;
        const SearchResult result =
            KEDGE_TRY(cold->search(cold->current(), request, Deadline::never()));
        found += right(q, result);
        point.rounds += result.trace.rounds;
        point.requests += static_cast<double>(result.trace.requests);
        point.bytes += static_cast<double>(result.trace.bytes);
        point.open_requests += static_cast<double>(opened.requests());
        point.open_bytes += static_cast<double>(opened.bytes_read());
      }
      const auto count = static_cast<double>(asked);
      for (double* mean :
           {&point.rounds, &point.requests, &point.bytes, &point.open_requests, &point.open_bytes})
        *mean /= count;
      point.recall = static_cast<double>(found) / (count * static_cast<double>(request_.k));
      out_.cold.push_back(point);
    }
    return {};
  }

  struct Pass {
    std::vector<double> seconds;
    double wall = 0;
    std::uint64_t found = 0;
    std::uint64_t scanned = 0;
  };

  // Every query once, on this thread.
  Result<Pass> pass(std::size_t first, std::size_t end, std::uint32_t probes,
                    std::uint32_t rerank) const {
    Pass out;
    const double began = now_seconds();
    for (std::size_t q = first; q < end; ++q) {
      const SearchRequest request = request_of(q, probes, rerank);
      const double start = now_seconds();
      const SearchResult result = KEDGE_TRY(index_->search(snapshot_, request, Deadline::never()));
      out.seconds.push_back(now_seconds() - start);
      out.scanned += result.trace.rows_scanned;
      out.found += right(q, result);
    }
    out.wall = now_seconds() - began;
    return out;
  }

  // The best of the passes that fit the time, as peers are measured.
  Result<AnnPoint> measure(std::uint32_t probes, std::uint32_t rerank) const {
    AnnPoint point{.probes = probes, .rerank = rerank};
    const double until = now_seconds() + request_.seconds_a_point;
    do {
      Pass one = KEDGE_TRY(pass(0, queries_.size(), probes, rerank));
      double total = 0;
      for (const double seconds : one.seconds) total += seconds;
      const double qps = static_cast<double>(queries_.size()) / total;
      if (qps <= point.qps) continue;
      point.qps = qps;
      std::sort(one.seconds.begin(), one.seconds.end());
      point.p50_us = one.seconds[one.seconds.size() / 2] * 1e6;
      point.p99_us = one.seconds[one.seconds.size() * 99 / 100] * 1e6;
      point.recall =
          static_cast<double>(one.found) / static_cast<double>(queries_.size() * request_.k);
      point.rows_scanned = static_cast<double>(one.scanned) / static_cast<double>(queries_.size());
    } while (now_seconds() < until);
    return point;
  }

  Result<AnnPoint> measure_all(AnnPoint point) const {
    const std::size_t threads = out_.threads;
    std::vector<Status> failed(threads);
    const double until = now_seconds() + request_.seconds_a_point;
    point.qps = point.p50_us = point.p99_us = 0;
    do {
      const double began = now_seconds();
      executor_->parallel_for(threads, [&](std::size_t t) {
        const Result<Pass> part =
            pass(queries_.size() * t / threads, queries_.size() * (t + 1) / threads, point.probes,
                 point.rerank);
        if (!part.ok()) failed[t] = part.error();
      });
      for (Status& status : failed) KEDGE_TRY(std::move(status));
      point.qps =
          std::max(point.qps, static_cast<double>(queries_.size()) / (now_seconds() - began));
    } while (now_seconds() < until);
    return point;
  }

  // All queries in one call.
  Result<AnnPoint> measure_batch(AnnPoint point) const {
    std::vector<SearchRequest> requests;
    for (std::size_t q = 0; q < queries_.size(); ++q)
      requests.push_back(request_of(q, point.probes, point.rerank));
    const double until = now_seconds() + request_.seconds_a_point;
    point.qps = point.p50_us = point.p99_us = 0;
    do {
      const double began = now_seconds();
      const std::vector<Result<SearchResult>> found =
          index_->search_many(snapshot_, requests, Deadline::never());
      const double took = now_seconds() - began;
      for (const Result<SearchResult>& one : found) {
        if (!one.ok()) return one.error();
      }
      point.qps = std::max(point.qps, static_cast<double>(queries_.size()) / took);
    } while (now_seconds() < until);
    return point;
  }

  Status sweep() {
    std::vector<std::uint32_t> probes = request_.probes;
    if (probes.empty()) {
      for (double share = 1; share <= out_.lists; share *= 1.3)
        probes.push_back(static_cast<std::uint32_t>(share));
      probes.erase(std::unique(probes.begin(), probes.end()), probes.end());
    }
    std::vector<std::uint32_t> reranks = request_.reranks;
    if (reranks.empty())
      reranks = {0, static_cast<std::uint32_t>(request_.k * 3 / 2),
                 static_cast<std::uint32_t>(request_.k * 4)};
    for (const std::uint32_t rerank : reranks) {
      double before = -1;
      for (const std::uint32_t count : probes) {
        if (count == 0 || count > std::max(out_.lists, 1U)) continue;
        say(str_cat("searching with ", count, " lists, ", rerank, " measured exactly"));
        const AnnPoint point = KEDGE_TRY(measure(count, rerank));
        out_.points.push_back(point);
        if (point.recall > 0.9975) break;
        if (request_.probes.empty() && point.recall > 0.9 && point.recall < before + 0.0003) break;
        before = point.recall;
      }
    }
    for (const double target : {0.95, 0.99}) {
      const AnnPoint* best = nullptr;
      for (const AnnPoint& point : out_.points) {
        if (point.recall >= target && (best == nullptr || point.qps > best->qps)) best = &point;
      }
      if (best == nullptr) continue;
      out_.points_all.push_back(KEDGE_TRY(measure_all(*best)));
      out_.points_batch.push_back(KEDGE_TRY(measure_batch(*best)));
    }
    return {};
  }

  const AnnBenchRequest& request_;
  Metric metric_ = Metric::kL2;
  std::string folder_;  // of the index and of what its build spills
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Index> index_;
  SnapshotPtr snapshot_;
  Id128 space_;
  std::vector<std::vector<float>> queries_;
  IdRows truth_;
  std::map<Id128, std::vector<std::uint64_t>> numbers_;
  AnnBenchResult out_;
};

}  // namespace

Result<AnnBenchResult> bench_ann(const AnnBenchRequest& request) { return AnnBench(request).run(); }

}  // namespace kedge
