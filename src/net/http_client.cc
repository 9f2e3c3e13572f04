#include "net/http_client.h"

#include <curl/curl.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <utility>

#include "base/strings.h"
#include "net/exit_gate.h"
#include "net/http_loop.h"

namespace kedge {
namespace {

// libcurl's start is thread-safe where its build says so; the static makes it so anywhere.
bool init_libraries() {
  static const bool ok = [] {
    const bool tls = OPENSSL_init_ssl(0, nullptr) == 1;
    const bool curl = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    install_exit_gate();
    return tls && curl;
  }();
  return ok;
}

Status check_ca_file(const std::string& path) {
  const std::unique_ptr<BIO, int (*)(BIO*)> file(BIO_new_file(path.c_str(), "r"), BIO_free);
  if (!file) return {Code::kInvalid, str_cat("--ca-file ", printable(path), ": cannot be read")};
  const std::unique_ptr<X509, void (*)(X509*)> first(
      PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr), X509_free);
  if (!first)
    return {Code::kInvalid, str_cat("--ca-file ", printable(path), ": no certificate in PEM")};
  return {};
}

class CurlHttpClient final : public HttpClient {
 public:
  CurlHttpClient(HttpClientOptions options, Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  ~CurlHttpClient() override {
    HttpLoop* const loop = loop_.load();
    // A loop of the parent process has no thread here, one of a process that exits never ends.
    if (loop != nullptr && loop->is_ours() && !exit_gate_closed()) delete loop;
  }
  CurlHttpClient(const CurlHttpClient&) = delete;
  CurlHttpClient& operator=(const CurlHttpClient&) = delete;

  std::vector<Result<HttpResponse>> send(std::span<const HttpRequest> requests, Deadline deadline,
                                         std::stop_token stop) override;
  [[nodiscard]] HttpClientCounts counts() const override;

 private:
  Result<HttpLoop*> loop();

  const HttpClientOptions options_;
  Clock& clock_;
  LiveCounts counts_;
  // No lock guards it: a child after fork() might find it held for ever.
  std::atomic<HttpLoop*> loop_{nullptr};
};

Result<HttpLoop*> CurlHttpClient::loop() {
  HttpLoop* current = loop_.load();
  if (current != nullptr && current->is_ours()) return current;
  HttpLoop* const fresh = KEDGE_TRY(HttpLoop::make(options_, clock_, counts_)).release();
  // What a fork left behind is not freed: its thread, its locks and its sockets are the parent's.
  if (loop_.compare_exchange_strong(current, fresh)) return fresh;
  delete fresh;
  return current;
}

std::vector<Result<HttpResponse>> CurlHttpClient::send(std::span<const HttpRequest> requests,
                                                       Deadline deadline, std::stop_token stop) {
  const auto call = std::make_shared<Call>();
  call->requests = requests;
  call->deadline = deadline;
  call->results.assign(requests.size(), Error{Code::kCancelled, "http: cancelled"});
  counts_.exchanges += requests.size();
  if (stop.stop_requested() || exit_gate_closed()) return std::move(call->results);
  call->exchanges.reserve(requests.size());
  const bool late = deadline.passed(clock_);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    auto target = parse_http_target(requests[i].url);
    const Status sound = check_request(requests[i]);
    if (!target.ok())
      call->results[i] = std::move(target).error();
    else if (!sound.ok())
      call->results[i] =
          Error{Code::kInvalid, str_cat(target->host_port, ": ", sound.error().message)};
    else if (late)
      call->results[i] = Error{Code::kUnavailable, str_cat(target->host_port,
                                                           ": not sent: the "
                                                           "deadline of the call has passed")};
    else
      call->exchanges.push_back(
          {.call = call.get(), .index = i, .target = std::move(target).value(), .spare = {}});
  }
  if (call->exchanges.empty()) return std::move(call->results);
  const auto ready = loop();
  if (!ready.ok()) {
    for (const Exchange& one : call->exchanges) call->results[one.index] = ready.error();
    return std::move(call->results);
  }
  (*ready)->run(call, stop);
  return std::move(call->results);
}

HttpClientCounts CurlHttpClient::counts() const {
  return {.exchanges = counts_.exchanges,
          .sent = counts_.sent,
          .connections = counts_.connections,
          .hedges = counts_.hedges,
          .hedges_won = counts_.hedges_won,
          .bytes_in = counts_.bytes_in,
          .bytes_out = counts_.bytes_out};
}

}  // namespace

Result<std::unique_ptr<HttpClient>> make_http_client(HttpClientOptions options, Clock& clock) {
  if (!init_libraries()) return {Code::kInternal, "http: libcurl or openssl does not start"};
  if (options.max_connections < 1 || options.max_connections > kMaxConnections)
    return {Code::kInvalid,
            str_cat("max_connections ", options.max_connections, ": 1 to ", kMaxConnections)};
  if (!(options.hedge_budget >= 0 && options.hedge_budget <= 1))
    return {Code::kInvalid, "hedge_budget: 0 to 1"};
  if (!options.ca_file.empty()) KEDGE_TRY(check_ca_file(options.ca_file));
  std::unique_ptr<HttpClient> client = std::make_unique<CurlHttpClient>(std::move(options), clock);
  return client;
}

}  // namespace kedge
