#include "net/transfer.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <charconv>

#include "base/allocation.h"
#include "base/strings.h"

namespace kedge {
namespace {

// Under malloc's threshold for pages of their own, which would be mapped and cleared each time.
constexpr long kReceiveBufferBytes = 96L << 10;
constexpr long kSendBufferBytes = 256L << 10;
constexpr std::int64_t kLongestMilliseconds = 1'000'000'000;

Transfer& transfer_of(void* self) { return *static_cast<Transfer*>(self); }

Duration add(Duration moment, Duration wait) {
  return wait >= Duration::max() - moment ? Duration::max() : moment + wait;
}

bool is_token(std::string_view text) {
  static constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, to_lower, to_lower);
}

std::string_view trimmed(std::string_view text) {
  static constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

bool has_header(const HttpRequest& request, std::string_view name) {
  return std::ranges::any_of(request.headers,
                             [&](const HttpHeader& one) { return same_name(one.name, name); });
}

int verify_certificate(X509_STORE_CTX* store, void*) {
  const int verified = X509_verify_cert(store);
  // libcurl looks at the oldest error, which must be that of verification and not what led to it.
  if (verified <= 0) ERR_clear_error();
  return verified;
}

CURLcode on_tls_context(CURL*, void* context, void*) {
  auto* const tls = static_cast<SSL_CTX*>(context);
  SSL_CTX_set_cert_verify_callback(tls, verify_certificate, nullptr);
  SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION);
  return CURLE_OK;
}

}  // namespace

Status check_request(const HttpRequest& request) {
  if (!is_token(request.method)) return {Code::kInvalid, "not a method"};
  if (request.method == "HEAD" && !request.body.empty())
    return {Code::kInvalid, "a head request with a body"};
  if (request.headers.size() > kMaxRequestHeaders)
    return {Code::kInvalid, str_cat("over ", kMaxRequestHeaders, " headers")};
  for (const HttpHeader& one : request.headers) {
    if (!is_token(one.name))
      return {Code::kInvalid, str_cat("not a header's name: '", printable(one.name), "'")};
    if (same_name(one.name, "content-length") || same_name(one.name, "transfer-encoding"))
      return {Code::kInvalid, str_cat("header ", one.name, ": the body gives the length")};
    if (!std::ranges::all_of(one.value, [](char c) { return c == '\t' || (c & 0xE0) != 0; }))
      return {Code::kInvalid, str_cat("header ", one.name, ": a control character")};
  }
  return {};
}

Result<std::unique_ptr<Transfer>> Transfer::make(TransferEnvironment& environment) {
  std::unique_ptr<Transfer> made(new Transfer(environment));
  made->easy_ = curl_easy_init();
  if (made->easy_ == nullptr) return {Code::kExhausted, "http: no memory for a transfer"};
  made->set_fixed_options();
  made->set_tls_options();
  return made;
}

Transfer::~Transfer() {
  if (easy_ != nullptr) curl_easy_cleanup(easy_);
}

void Transfer::set_fixed_options() {
  const auto set = [this](CURLoption option, auto value) {
    curl_easy_setopt(easy_, option, value);
  };
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_ERRORBUFFER, curl_message_);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_NOPROGRESS, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_USERAGENT, environment_.options.user_agent.c_str());
  set(CURLOPT_BUFFERSIZE, kReceiveBufferBytes);
  set(CURLOPT_UPLOAD_BUFFERSIZE, kSendBufferBytes);
  set(CURLOPT_OPENSOCKETFUNCTION, environment_.open_socket);
  set(CURLOPT_OPENSOCKETDATA, environment_.sockets);
  set(CURLOPT_CLOSESOCKETFUNCTION, environment_.close_socket);
  set(CURLOPT_CLOSESOCKETDATA, environment_.sockets);
  // Else removing a transfer waits for its name server, past any deadline.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_PREREQFUNCTION, on_connected);
  set(CURLOPT_PREREQDATA, this);
  set(CURLOPT_XFERINFOFUNCTION, on_progress);
  set(CURLOPT_XFERINFODATA, this);
  set(CURLOPT_HEADERFUNCTION, on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, on_body);
  set(CURLOPT_WRITEDATA, this);
  if (environment_.share != nullptr) set(CURLOPT_SHARE, environment_.share);
}

void Transfer::set_tls_options() {
  const HttpClientOptions& options = environment_.options;
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYPEER, options.verify_tls ? 1L : 0L);
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYHOST, options.verify_tls ? 2L : 0L);
  curl_easy_setopt(easy_, CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
  const char* file = options.ca_file.c_str();
  if (options.ca_file.empty()) curl_easy_getinfo(easy_, CURLINFO_CAINFO, &file);
  if (file == nullptr) return;
  curl_easy_setopt(easy_, CURLOPT_CAINFO, file);
  // A folder beside the file would be trusted too, and keeps libcurl from parsing the file only
  // once.
  curl_easy_setopt(easy_, CURLOPT_CAPATH, nullptr);
}

void Transfer::begin(const HttpRequest& request, const HttpTarget& target, Duration total_from) {
  request_ = &request;
  target_ = &target;
  response_ = HttpResponse{};
  header_bytes_ = 0;
  content_length_.reset();
  chunked_ = in_body_ = false;
  failure_.reset();
  curl_message_[0] = '\0';
  uploaded_ = 0;
  sent_ = 0;
  total_from_ = total_from;
  began_ = environment_.clock.monotonic();
  enter(Phase::kConnecting);

  curl_easy_setopt(easy_, CURLOPT_URL, request.url.c_str());
  set_method(request);
  set_headers(request);
  curl_easy_setopt(easy_, CURLOPT_FRESH_CONNECT, request.at_most_once ? 1L : 0L);
  // Ours ends it; libcurl's is there so that it goes on to the next address of a name in time.
  const std::int64_t milliseconds = (request.timeouts.connect.count() + 999) / 1'000;
  curl_easy_setopt(
      easy_, CURLOPT_CONNECTTIMEOUT_MS,
      static_cast<long>(std::clamp<std::int64_t>(milliseconds, 1, kLongestMilliseconds)));
  if (direct_ != target.link_local) {
    direct_ = target.link_local;
    curl_easy_setopt(easy_, CURLOPT_PROXY, direct_ ? "" : nullptr);
  }
}

void Transfer::set_method(const HttpRequest& request) {
  const bool has_body =
      !request.body.empty() || request.method == "PUT" || request.method == "POST";
  curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, nullptr);
  if (has_body) {
    curl_easy_setopt(easy_, CURLOPT_NOBODY, 0L);
    curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(
        easy_, CURLOPT_POSTFIELDS,
        request.body.empty() ? "" : reinterpret_cast<const char*>(request.body.data()));
  } else {
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, nullptr);
    curl_easy_setopt(easy_, CURLOPT_HTTPGET, 1L);
    if (request.method == "HEAD") curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
  }
  const std::string_view implied = has_body ? "POST" : request.method == "HEAD" ? "HEAD" : "GET";
  if (request.method != implied)
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  // Only where there is an upload to watch: it is called for every piece.
  curl_easy_setopt(easy_, CURLOPT_NOPROGRESS, request.body.empty() ? 1L : 0L);
}

// libcurl's list, built in one text and one vector: it only reads them.
void Transfer::set_headers(const HttpRequest& request) {
  // What libcurl would add on its own; "Name:" says not to.
  static constexpr std::string_view kDefaults[] = {"Accept", "Content-Type", "Expect"};
  header_text_.clear();
  std::vector<std::size_t>& starts = header_starts_;
  starts.clear();
  for (const HttpHeader& one : request.headers) {
    starts.push_back(header_text_.size());
    header_text_ += one.name;
    if (trimmed(one.value).empty()) {
      header_text_ += ';';  // libcurl's way to say an empty value
    } else {
      header_text_ += ": ";
      header_text_ += one.value;
    }
    header_text_ += '\0';
  }
  for (const std::string_view name : kDefaults) {
    if (has_header(request, name)) continue;
    starts.push_back(header_text_.size());
    header_text_ += name;
    header_text_ += ':';
    header_text_ += '\0';
  }
  header_list_.resize(starts.size());
  for (std::size_t i = 0; i < starts.size(); ++i) {
    header_list_[i].data = header_text_.data() + starts[i];
    header_list_[i].next = i + 1 < starts.size() ? &header_list_[i + 1] : nullptr;
  }
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, header_list_.data());
}

void Transfer::enter(Phase phase) {
  phase_ = phase;
  moved_ = environment_.clock.monotonic();
  environment_.next_timer = std::min(environment_.next_timer, expires());
}

Duration Transfer::expires() const {
  const HttpTimeouts& timeouts = request_->timeouts;
  const Duration wait = phase_ == Phase::kConnecting ? timeouts.connect
                        : phase_ == Phase::kWaiting  ? timeouts.first_byte
                                                     : timeouts.idle_body;
  return std::min(add(moved_, wait), add(total_from_, timeouts.total));
}

// ---- what libcurl calls

// Called again where libcurl found a kept connection dead and begins anew on another one.
int Transfer::on_connected(void* self, char*, char*, int, int) {
  Transfer& transfer = transfer_of(self);
  if (transfer.sent_ > 0 && transfer.request_->method == "POST") {
    // It may have had its effect, and a POST's second may be another one (RFC 9110, 9.2.2).
    transfer.fail(transfer.unavailable("the kept connection was closed"));
    return CURL_PREREQFUNC_ABORT;
  }
  ++transfer.sent_;
  transfer.uploaded_ = 0;
  transfer.enter(transfer.request_->body.empty() ? Phase::kWaiting : Phase::kSending);
  return CURL_PREREQFUNC_OK;
}

int Transfer::on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t uploaded) {
  Transfer& transfer = transfer_of(self);
  const auto bytes = static_cast<std::uint64_t>(uploaded);
  if (bytes == transfer.uploaded_) return 0;
  transfer.uploaded_ = bytes;
  if (transfer.phase_ == Phase::kReceiving)  // an early answer
    transfer.moved_ = transfer.environment_.clock.monotonic();
  else if (transfer.phase_ == Phase::kSending)
    transfer.enter(bytes >= transfer.request_->body.size() ? Phase::kWaiting : Phase::kSending);
  return 0;
}

// No exception may cross libcurl.
std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) try {
  const std::size_t bytes = size * count;
  return transfer_of(self).take_header_line({data, bytes}) ? bytes : 0;
} catch (...) {
  transfer_of(self).fail(memory_error("http"));
  return 0;
}

std::size_t Transfer::on_body(char* data, std::size_t size, std::size_t count, void* self) try {
  const std::size_t bytes = size * count;
  return transfer_of(self).take_body(as_bytes({data, bytes})) ? bytes : 0;
} catch (...) {
  transfer_of(self).fail(memory_error("http"));
  return 0;
}

bool Transfer::fail(Error error) {
  failure_ = std::move(error);
  return false;
}

bool Transfer::take_header_line(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxResponseHeaderBytes)
    return fail({Code::kExhausted,
                 message(str_cat("headers of over ", kMaxResponseHeaderBytes, " bytes"))});
  if (!in_body_ && line.starts_with("HTTP/")) take_status_line(line);
  if (response_.status >= 200) {  // "100 Continue" is no answer yet
    if (phase_ != Phase::kReceiving) {
      enter(Phase::kReceiving);
      response_.first_byte = moved_ - total_from_;
    }
    moved_ = environment_.clock.monotonic();
  }
  if (in_body_ || line.starts_with("HTTP/")) return true;
  if (trimmed(line).empty()) return end_of_headers();
  return take_header(line);
}

void Transfer::take_status_line(std::string_view line) {
  // A further one comes after a 1xx, whose headers are not the answer's.
  response_.headers.clear();
  content_length_.reset();
  chunked_ = false;
  response_.status = 0;
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return;
  const std::string_view digits = line.substr(space + 1, 3);
  std::from_chars(digits.data(), digits.data() + digits.size(), response_.status);
}

bool Transfer::take_header(std::string_view line) {
  std::vector<HttpHeader>& headers = response_.headers;
  if (line[0] == ' ' || line[0] == '\t') {  // a folded line goes on with the one before
    if (!headers.empty()) headers.back().value += str_cat(" ", trimmed(line));
    return true;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return fail(unavailable("a header line without ':'"));
  if (headers.size() >= kMaxResponseHeaders)
    return fail({Code::kExhausted, message(str_cat("over ", kMaxResponseHeaders, " headers"))});
  HttpHeader& one = headers.emplace_back();
  one.name.resize(colon);
  std::ranges::transform(line.substr(0, colon), one.name.begin(), to_lower);
  one.value = trimmed(line.substr(colon + 1));
  if (one.name == "content-length") return take_length(one.value);
  if (one.name == "transfer-encoding") {
    if (!same_name(one.value, "chunked"))
      return fail(unavailable(str_cat("transfer-encoding '", printable(one.value), "'")));
    chunked_ = true;
  }
  return true;
}

bool Transfer::take_length(std::string_view value) {
  std::uint64_t length = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
  if (error != std::errc() || end != value.data() + value.size())
    return fail(unavailable(str_cat("content-length '", printable(value), "'")));
  // Two lengths are how answers are smuggled past whoever reads the other one.
  if (content_length_ && *content_length_ != length)
    return fail(unavailable("two different content-length headers"));
  content_length_ = length;
  return true;
}

bool Transfer::has_no_body() const {
  return request_->method == "HEAD" || response_.status == 204 || response_.status == 304;
}

bool Transfer::end_of_headers() {
  if (response_.status < 200) return true;
  in_body_ = true;
  if (!has_no_body() && !chunked_ && content_length_ && *content_length_ > request_->max_body_bytes)
    return fail({Code::kExhausted, message(str_cat("a body of ", *content_length_, " bytes, over ",
                                                   request_->max_body_bytes))});
  return true;
}

bool Transfer::take_body(ByteView bytes) {
  moved_ = environment_.clock.monotonic();
  Bytes& body = response_.body;
  if (bytes.size() > request_->max_body_bytes - body.size())
    return fail({Code::kExhausted,
                 message(str_cat("a body of over ", request_->max_body_bytes, " bytes"))});
  if (body.empty() && content_length_ && !chunked_) body.reserve(*content_length_);
  body.insert(body.end(), bytes.begin(), bytes.end());
  return true;
}

std::uint64_t Transfer::uploaded_bytes() const {
  curl_off_t bytes = 0;
  curl_easy_getinfo(easy_, CURLINFO_SIZE_UPLOAD_T, &bytes);
  return static_cast<std::uint64_t>(bytes);
}

std::uint64_t Transfer::connections() const {
  long count = 0;
  curl_easy_getinfo(easy_, CURLINFO_NUM_CONNECTS, &count);
  return static_cast<std::uint64_t>(count);
}

Result<HttpResponse> Transfer::finish(CURLcode code) {
  if (failure_) return *std::exchange(failure_, std::nullopt);
  if (code != CURLE_OK) return error_of(code);
  // For libcurl an answer that ends within its headers is a whole one.
  if (!in_body_) return unavailable("closed within the headers");
  const bool no_body = has_no_body();
  if (!no_body && !chunked_ && content_length_ && response_.body.size() != *content_length_)
    return unavailable(str_cat("closed after ", received()));
  response_.length_known = no_body || chunked_ || content_length_.has_value();
  response_.total = environment_.clock.monotonic() - began_;
  return std::move(response_);
}

}  // namespace kedge
