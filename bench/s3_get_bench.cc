// GETs of ranges of one object, as many at once as asked for: how many a second, and what CPU each
// takes. Credentials come from the environment.
//
//   s3_get_bench ENDPOINT BUCKET KEY OBJECT_BYTES RANGE_BYTES REQUESTS PARALLEL
#include <sys/resource.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/random.h"
#include "net/http_client.h"
#include "s3/credential_chain.h"
#include "s3/s3_store.h"

namespace {

using namespace kedge;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::uint64_t number(const char* text) {
  std::uint64_t value = 0;
  const std::string_view view(text);
  const auto parsed = std::from_chars(view.data(), view.data() + view.size(), value);
  if (parsed.ptr != view.data() + view.size() || value == 0) {
    std::fprintf(stderr, "s3_get_bench: '%s' is not a number above 0\n", text);
    std::exit(2);
  }
  return value;
}

int fail(const Error& error) {
  std::fprintf(stderr, "s3_get_bench: %s\n", error.message.c_str());
  return 1;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr,
                 "usage: s3_get_bench ENDPOINT BUCKET KEY OBJECT_BYTES RANGE_BYTES REQUESTS "
                 "PARALLEL\n");
    return 2;
  }
  const std::uint64_t object_bytes = number(argv[4]);
  const std::uint64_t range_bytes = number(argv[5]);
  const std::uint64_t requests = number(argv[6]);
  const std::uint64_t parallel = number(argv[7]);
  Clock& clock = system_clock();
  HttpClientOptions http;
  http.max_connections = parallel;
  http.hedge_budget = 0;  // the same work for all that are compared
  const auto client = make_http_client(http, clock);
  if (!client.ok()) return fail(client.error());
  const auto credentials =
      fixed_credentials({.access_key_id = variable("AWS_ACCESS_KEY_ID"),
                         .secret_access_key = variable("AWS_SECRET_ACCESS_KEY"),
                         .session_token = variable("AWS_SESSION_TOKEN"),
                         .expires = {},
                         .origin = "environment"});
  S3Options options;
  options.endpoint = argv[1];
  options.region = "us-east-1";
  const auto store = make_s3_store(argv[2], options, {**client, *credentials, clock, silent_log()});
  if (!store.ok()) return fail(store.error());
  SeededRandom random(1);
  const double cpu_before = cpu_seconds();
  const Duration began = clock.monotonic();
  std::uint64_t bytes = 0;
  // Batches of several rounds, as a query's ranges or a sync's objects come.
  const std::uint64_t batch = parallel * 8;
  for (std::uint64_t done = 0; done < requests; done += batch) {
    std::vector<ReadRequest> reads;
    for (std::uint64_t i = done; i < std::min(requests, done + batch); ++i) {
      const std::uint64_t room = object_bytes - std::min(object_bytes, range_bytes) + 1;
      reads.push_back({.key = argv[3],
                       .offset = random.below(room),
                       .length = range_bytes,
                       .if_match = {},
                       .version_id = {}});
    }
    for (const Result<Blob>& blob : (*store)->read(reads, Deadline::never())) {
      if (!blob.ok()) return fail(blob.error());
      bytes += blob->body.size();
    }
  }
  const double seconds = std::chrono::duration<double>(clock.monotonic() - began).count();
  const double cpu = cpu_seconds() - cpu_before;
  const auto count = static_cast<double>(requests);
  std::printf(
      "{\"requests\": %.0f, \"bytes\": %llu, \"seconds\": %.4f, \"gets_per_second\": %.1f, "
      "\"cpu_microseconds_per_get\": %.2f}\n",
      count, static_cast<unsigned long long>(bytes), seconds, count / seconds, cpu / count * 1e6);
  return 0;
}
