// One copy of one exchange on a libcurl easy handle: what goes out, what has come, how long each
// phase may take, and what an end means. The handle is made once and used again.
//
// Threads: one, the I/O thread of the loop that owns it.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "net/http.h"
#include "net/http_client.h"
#include "net/http_target.h"

namespace kedge {

inline constexpr std::size_t kMaxResponseHeaders = 256;
inline constexpr std::size_t kMaxResponseHeaderBytes = 64 << 10;  // trailers and 1xx included
inline constexpr std::size_t kMaxRequestHeaders = 128;

struct Exchange;

// What the transfers of a loop share.
struct TransferEnvironment {
  const HttpClientOptions& options;
  Clock& clock;
  CURLSH* share;  // TLS sessions
  // Told of the sockets of connections, which `sockets` owns.
  curl_opensocket_callback open_socket;
  curl_closesocket_callback close_socket;
  void* sockets;
  int refused_socket = 0;  // why the system gave no socket the last time that it did not
  // A lower bound of when the loop must look at its timers; a transfer lowers it.
  Duration next_timer = Duration::max();
};

// kInvalid: a method, header or body that cannot be sent. Names a header, never its value.
Status check_request(const HttpRequest& request);

class Transfer {
 public:
  // `environment` outlives it. kExhausted: no memory.
  static Result<std::unique_ptr<Transfer>> make(TransferEnvironment& environment);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // Takes the request on; `request` and `target` outlive the transfer of it. `total_from` is when
  // the exchange began.
  void begin(const HttpRequest& request, const HttpTarget& target, Duration total_from);
  // libcurl says it is over: the answer, or what went wrong.
  Result<HttpResponse> finish(CURLcode code);
  // When the first of its own time-outs passes.
  [[nodiscard]] Duration expires() const;
  // What to say where it passed at `now`.
  [[nodiscard]] Error timed_out(Duration now) const;
  // "host:port: phase: what", with kUnavailable.
  [[nodiscard]] Error unavailable(std::string_view what) const;

  [[nodiscard]] CURL* easy() const { return easy_; }
  [[nodiscard]] Duration began() const { return began_; }
  [[nodiscard]] bool has_first_byte() const { return phase_ == Phase::kReceiving; }
  [[nodiscard]] Duration first_byte() const { return response_.first_byte; }
  [[nodiscard]] std::uint64_t body_bytes() const { return response_.body.size(); }
  [[nodiscard]] std::uint64_t uploaded_bytes() const;
  [[nodiscard]] std::uint64_t connections() const;  // opened for it
  // How often it went out: more than once where a kept connection turned out dead.
  [[nodiscard]] std::uint64_t sent() const { return sent_; }

  // Of the loop: whose copy it is, null while it rests.
  Exchange* exchange = nullptr;
  std::size_t copy = 0;

 private:
  enum class Phase { kConnecting, kSending, kWaiting, kReceiving };

  explicit Transfer(TransferEnvironment& environment) : environment_(environment) {}
  void set_fixed_options();
  void set_tls_options();
  void set_method(const HttpRequest& request);
  void set_headers(const HttpRequest& request);
  void enter(Phase phase);
  bool take_header_line(std::string_view line);
  void take_status_line(std::string_view line);
  bool take_header(std::string_view line);
  bool take_length(std::string_view value);
  bool end_of_headers();
  bool take_body(ByteView bytes);
  bool fail(Error error);
  [[nodiscard]] Error error_of(CURLcode code) const;
  [[nodiscard]] Error tls_error(CURLcode code) const;
  [[nodiscard]] std::string system_error() const;
  [[nodiscard]] std::string_view phase_name() const;
  [[nodiscard]] std::string received() const;
  [[nodiscard]] std::string message(std::string_view what) const;
  [[nodiscard]] bool has_no_body() const;

  static int on_connected(void* self, char*, char*, int, int);
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t uploaded);
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);

  TransferEnvironment& environment_;
  CURL* easy_ = nullptr;
  char curl_message_[CURL_ERROR_SIZE] = {};

  // The request; the list's nodes and texts are kept from one to the next.
  const HttpRequest* request_ = nullptr;
  const HttpTarget* target_ = nullptr;
  std::string header_text_;
  std::vector<std::size_t> header_starts_;
  std::vector<curl_slist> header_list_;
  bool direct_ = false;  // no proxy was set for this one

  // The answer so far.
  HttpResponse response_;
  std::size_t header_bytes_ = 0;
  std::optional<std::uint64_t> content_length_;
  bool chunked_ = false;
  bool in_body_ = false;  // header lines that come now are trailers
  std::optional<Error> failure_;

  // Time.
  Phase phase_ = Phase::kConnecting;
  Duration total_from_{0};
  Duration began_{0};
  Duration moved_{0};  // when the phase began or a byte last moved in it
  std::uint64_t uploaded_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace kedge
