// Answers judged questions over an index and prints nDCG@10 and latencies as JSON: for
// bench/main.py and for the sample.
//
//   retrieval_bench INDEX QUERIES.jsonl QRELS.tsv [--warm N]
//
// QUERIES: {"_id", "text"} a line. QRELS: query-id, document-id, grade, tab-separated with a
// header; a document's key is its id with ".txt" behind. Latency is that of Client::search with
// snippets, as an open program sees it.
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "kedge/client.h"

namespace {

namespace json = boost::json;
using Grades = std::map<std::string, double>;  // of one query, by key

constexpr std::size_t kDepth = 10;

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "retrieval_bench: %s\n", message.c_str());
  std::exit(1);
}

std::map<std::string, Grades> read_grades(const char* path) {
  std::ifstream file(path);
  if (!file) fail(std::string("cannot read ") + path);
  std::map<std::string, Grades> out;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string query;
    std::string document;
    double grade = 0;
    if (fields >> query >> document >> grade && grade > 0) out[query][document + ".txt"] = grade;
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> read_queries(const char* path) {
  std::ifstream file(path);
  if (!file) fail(std::string("cannot read ") + path);
  std::vector<std::pair<std::string, std::string>> out;
  std::string line;
  while (std::getline(file, line)) {
    boost::system::error_code error;
    const json::value value = json::parse(line, error);
    if (error) fail(std::string(path) + ": " + error.message());
    out.emplace_back(value.at("_id").as_string().c_str(), value.at("text").as_string().c_str());
  }
  return out;
}

double ndcg(const std::vector<std::string>& keys, const Grades& grades) {
  double gain = 0;
  for (std::size_t i = 0; i < std::min(keys.size(), kDepth); ++i) {
    const auto grade = grades.find(keys[i]);
    if (grade != grades.end()) gain += grade->second / std::log2(static_cast<double>(i) + 2);
  }
  std::vector<double> ideal;
  for (const auto& [key, grade] : grades) ideal.push_back(grade);
  std::sort(ideal.rbegin(), ideal.rend());
  double best = 0;
  for (std::size_t i = 0; i < std::min(ideal.size(), kDepth); ++i)
    best += ideal[i] / std::log2(static_cast<double>(i) + 2);
  return gain / best;
}

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<std::size_t>(share * static_cast<double>(values.size())))];
}

double now_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) fail("usage: retrieval_bench INDEX QUERIES.jsonl QRELS.tsv");
  kedge::ClientOptions options;
  options.index = argv[1];
  auto client = kedge::Client::open(options);
  if (!client.ok()) fail(client.error().message);
  const auto grades = read_grades(argv[3]);
  const auto queries = read_queries(argv[2]);
  std::vector<double> milliseconds;
  std::vector<double> model;
  double first_ms = 0;
  double sum = 0;
  std::size_t judged = 0;
  std::size_t verified = 0;
  std::string simd;
  for (const auto& [id, text] : queries) {
    const auto wanted = grades.find(id);
    if (wanted == grades.end()) continue;
    kedge::SearchQuery query;
    query.text = text;
    query.options.k = kDepth;
    const double began = now_ms();
    const auto found = (*client)->search(query);
    const double took = now_ms() - began;
    if (!found.ok()) fail(found.error().message);
    if (judged == 0) {
      first_ms = took;
    } else {
      milliseconds.push_back(took);
      model.push_back(found->explain.embed_seconds * 1e3);
    }
    std::vector<std::string> keys;
    for (const kedge::SearchHit& hit : found->hits) {
      keys.push_back(hit.reference.key);
      verified += hit.proof == kedge::Proof::kVerified ? 1 : 0;
    }
    simd = found->explain.simd;
    sum += ndcg(keys, wanted->second);
    ++judged;
  }
  if (judged < 2) fail("fewer than two judged queries");
  std::printf(
      "{\"queries\": %zu, \"ndcg_at_10\": %.4f, \"verified_results\": %zu, \"first_ms\": %.1f, "
      "\"p50_ms\": %.2f, "
      "\"p99_ms\": %.2f, \"model_p50_ms\": %.2f, \"simd\": \"%s\"}\n",
      judged, sum / static_cast<double>(judged), verified, first_ms, percentile(milliseconds, 0.5),
      percentile(milliseconds, 0.99), percentile(model, 0.5), simd.c_str());
  return 0;
}
