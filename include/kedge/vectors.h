// Vectors of the caller's own: records put into an index, and the benchmark of a search over them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kedge/result.h"
#include "kedge/sync.h"

namespace kedge {

struct ImportRequest {
  std::string file;               // .npy, .fvecs, .bvecs, .jsonl
  std::string metric = "cosine";  // "cosine", "l2", "dot"
  std::string model;              // what made them; "" if nobody says
  std::uint64_t batch = 0;        // records a commit; 0: as many as memory_bytes and limits allow
  bool compact = true;            // one segment on a tree at the end
  std::function<void(const Progress&)> progress;  // records, then rows of the merge
};
struct ImportResult {
  std::uint64_t records = 0, commits = 0;
  double seconds = 0;
};

struct PlaneBytes {
  std::uint64_t docs = 0, keys = 0, codes = 0, refine = 0, vectors = 0, text = 0, attributes = 0,
                directory = 0, tree = 0;
};

struct CompactRequest {
  bool retrain = false;                           // a new tree even where the old one fits
  std::function<void(const Progress&)> progress;  // rows
};
struct CompactResult {
  std::uint64_t rewritten = 0;  // spaces
  std::uint64_t rows = 0, segments = 0, lists = 0;
  PlaneBytes bytes;
  double seconds = 0;
};

struct AnnBenchRequest {
  std::string base, queries, truth;  // vectors, vectors, .ivecs of the nearest rows' numbers
  std::string metric = "l2";
  std::size_t k = 10;
  std::string folder;                  // for the index, removed afterwards; "": a temporary one
  std::vector<std::uint32_t> probes;   // empty: a sweep
  std::vector<std::uint32_t> reranks;  // empty: 0 and some
  double seconds_a_point = 1.0;
  std::uint32_t threads = 0;                  // of the last runs; 0: all cores
  std::uint32_t list_rows = 0;                // rows a list; 0: as many as suit their number
  std::uint64_t batch = 0;                    // records a commit; 0: as many as fit
  std::uint64_t memory_bytes = 512ULL << 20;  // of the build
  std::function<void(const std::string& what)> on_progress;
};
struct AnnPoint {
  std::uint32_t probes = 0, rerank = 0;
  double recall = 0, qps = 0, p50_us = 0, p99_us = 0, rows_scanned = 0;
};
// Searches for references, by handles that were opened just before, nothing of the index in memory:
// means.
struct AnnCold {
  double recall = 0, rounds = 0, requests = 0, bytes = 0;
  double open_requests = 0, open_bytes = 0;
};
struct AnnBenchResult {
  std::string simd, metric;
  std::uint64_t rows = 0, queries = 0;
  std::uint32_t dimension = 0, lists = 0, threads = 1;
  double build_seconds = 0, build_cpu_seconds = 0, import_cpu_seconds = 0, peak_mib = 0;
  PlaneBytes bytes;
  std::vector<AnnPoint> points;        // one thread
  std::vector<AnnPoint> points_all;    // all threads, each its own queries
  std::vector<AnnPoint> points_batch;  // all threads, all queries handed over at once
  std::vector<AnnCold> cold;           // at --recall 0.9 and 0.95
};

// One vector: a JSON array of numbers, or the first of a file (as ImportRequest::file). kInvalid,
// kNotFound and the like, with the reason.
Result<std::vector<float>> read_vector(const std::string& array_or_file);

// Builds an index of `base` in a folder, loads it into memory, and measures searches for `queries`:
// rows alone, as peers answer with numbers. kInvalid: files that do not fit one another.
Result<AnnBenchResult> bench_ann(const AnnBenchRequest& request);

}  // namespace kedge
