// Questions in, references out; the raw data is fetched after that (kedge/get.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kedge/reference.h"
#include "kedge/usage.h"

namespace kedge {

enum class Group { kObject, kChunk };
enum class Snippets { kSource, kNone };

// What searches have in common.
struct ResultOptions {
  std::size_t k = 10;  // results: objects or chunks, as grouped. 1 to 10,000
  Group group = Group::kObject;
  bool all = false;    // equal chunks are shown each, not once
  std::string source;  // uri of one source; "": all
  std::string prefix;  // of the key
  // Only objects of which it holds: `year >= 2020 and team = "core"`, or the JSON of S3 Vectors
  // where it begins with '{' (docs/filters.md). "": all. Applied before the search: min(k, matches)
  // results come.
  std::string filter;
  // kSource: the text is read from the object itself with If-Match, which is the proof that the
  // reference is true.
  Snippets snippets = Snippets::kSource;
  bool verify_head = false;   // without snippets: prove by a HEAD
  bool fetch = false;         // the raw bytes of each chunk come with the result
  std::uint32_t context = 0;  // neighbouring chunks on each side in the snippet
  bool allow_partial = false;
  // Of the k nearest, how many are wanted on average, above 0 and at most 1: more costs more
  // requests and bytes. Small indexes are searched exactly whatever it says.
  double recall = 0.95;
  bool exact = false;                       // every vector is compared
  std::optional<std::uint64_t> generation;  // a retained one; absent: the latest
  // A link with each result that is not known to be untrue: see GetRequest. 0: none.
  double presign_seconds = 0;
};

// By words, which the index's model makes a vector of, or by a vector: exactly one is given.
struct SearchQuery {
  std::string text;
  std::vector<float> vector;  // of the index's dimension; any length where the metric is cosine
  std::string mode = "dense";
  ResultOptions options;
};

struct SimilarQuery {
  std::vector<std::string> like;  // keys or uris of indexed objects
  std::vector<std::string> unlike;
  ResultOptions options;
};

struct SearchHit {
  Reference reference;
  double score = 0;  // greater is better; cosine similarity for the default model
  double distance = 0;
  Proof proof = Proof::kUnverified;
  std::string proof_detail;  // why: "not asked", "size 120 -> 140"
  std::string snippet;       // text of the chunk; "" unless verified
  std::pair<std::size_t, std::size_t> best_sentence{
      0, 0};         // byte range of the snippet that answers best
  std::string raw;   // with fetch: the chunk's raw bytes
  std::string link;  // with presign_seconds
};

struct Explain {
  std::uint32_t rounds_index = 0;  // dependent rounds of requests
  std::uint32_t rounds_search = 0;
  std::uint32_t rounds_source = 0;
  std::uint64_t requests = 0, bytes = 0, segments = 0, rows = 0;
  std::uint64_t hedges = 0;  // requests that were sent twice, since they were late
  std::uint64_t disk_blocks = 0, disk_bytes = 0;  // from the disk cache
  double open_seconds = 0, model_load_seconds = 0, embed_seconds = 0, search_seconds = 0,
         snippet_seconds = 0;
  std::string simd;  // which kernels ran
  StoreUsage index_usage, source_usage;
};

struct SearchResponse {
  std::vector<SearchHit> hits;  // best first
  bool exact = false;           // distances and scores are exact, not estimated from codes
  bool partial = false;
  std::vector<std::string> unreadable;
  std::uint64_t generation = 0;
  std::string synced_at;  // the oldest of the sources searched
  Explain explain;
};

}  // namespace kedge
