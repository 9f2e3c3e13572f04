// The emulator's own requests, under /_emulator/ and outside of any signature: for tests in other
// languages and for benchmarks.
#include <boost/json.hpp>

#include "base/strings.h"
#include "emulator/server.h"
#include "emulator/settings.h"

namespace kedge::emulator {
namespace {

namespace json = boost::json;

constexpr std::string_view kFolder = "/_emulator/";

std::string counts_json(const std::map<std::string, Counts>& counts) {
  json::object out;
  for (const auto& [name, one] : counts)
    out[name] = {{"requests", one.requests},
                 {"errors", one.errors},
                 {"bytes_in", one.bytes_in},
                 {"bytes_out", one.bytes_out}};
  return json::serialize(out);
}

std::string records_json(const std::vector<Record>& records) {
  json::array out;
  for (const Record& one : records)
    out.push_back({{"operation", one.operation},
                   {"permission", one.permission},
                   {"bucket", one.bucket},
                   {"key", one.key},
                   {"range", one.range},
                   {"access_key_id", one.access_key_id},
                   {"status", one.status},
                   {"bytes", one.bytes},
                   {"began_us", one.began.count()},
                   {"ended_us", one.ended.count()}});
  return json::serialize(out);
}

}  // namespace

Result<std::string> Server::administer_path(std::string_view method, std::string_view path,
                                            std::string_view body) {
  const std::string done = "{}";
  const std::string what = str_cat(method, " ", path);
  if (what == "POST faults") {
    const std::vector<FaultRule> rules = KEDGE_TRY(parse_faults(body));
    if (auto added = script_.add(rules); !added.ok()) return added.error();
    return done;
  }
  if (what == "GET faults") {
    json::array hits;
    for (const std::uint64_t count : script_.hits()) hits.push_back(count);
    return json::serialize(json::object{{"hits", hits}});
  }
  if (what == "DELETE faults") {
    script_.clear();
    return done;
  }
  if (what == "GET counts") return counts_json(counts());
  if (what == "GET records") return records_json(records());
  if (what == "DELETE counts") {
    forget_counts();
    return done;
  }
  if (what == "POST settings") {
    set(KEDGE_TRY(parse_settings(body)));
    return done;
  }
  if (what == "POST buckets") {
    const auto [name, options] = KEDGE_TRY(parse_bucket(body));
    make_bucket(name, options);
    return done;
  }
  if (what == "POST fill") {
    const FillRequest wanted = KEDGE_TRY(parse_fill(body));
    bool there = false;
    {
      const std::lock_guard lock(store_.mutex);
      there = store_.find(wanted.bucket) != nullptr;
    }
    if (!there) make_bucket(wanted.bucket, {});
    if (auto filled = fill(wanted); !filled.ok()) return filled.error();
    return done;
  }
  return Error{Code::kNotFound, str_cat("no such request: ", printable(what))};
}

void Server::administer(HttpExchange& exchange) {
  const ServedRequest& request = exchange.request();
  const std::string_view path = std::string_view(request.target).substr(kFolder.size());
  const auto done = administer_path(request.method, path, as_text(request.body));
  const std::string text =
      done.ok() ? *done : json::serialize(json::object{{"error", done.error().message}});
  const int status = done.ok() ? 200 : done.code() == Code::kNotFound ? 404 : 400;
  const HttpHeader type{"Content-Type", "application/json"};
  const ByteView piece = as_bytes(text);
  exchange.answer(status, {&type, 1}, text.size(), {&piece, 1});
}

}  // namespace kedge::emulator
