#include "emulator/testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/hash.h"
#include "base/strings.h"

namespace kedge::emulator {
namespace {

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

void parse_head(std::string_view head, RawAnswer& out) {
  out.status = std::atoi(std::string(head.substr(9, 3)).c_str());
  std::size_t at = head.find("\r\n");
  while (at != std::string_view::npos && at + 2 < head.size()) {
    const std::size_t end = head.find("\r\n", at + 2);
    const std::string_view line = head.substr(at + 2, end - at - 2);
    const std::size_t colon = line.find(": ");
    if (colon != std::string_view::npos)
      out.headers.push_back(
          {lower(std::string(line.substr(0, colon))), std::string(line.substr(colon + 2))});
    at = end;
  }
}

}  // namespace

std::string_view RawAnswer::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, &HttpHeader::name);
  return found == headers.end() ? std::string_view() : std::string_view(found->value);
}

std::string RawAnswer::inside(std::string_view name) const {
  const std::string open = str_cat("<", name, ">");
  const std::size_t begin = body.find(open);
  if (begin == std::string::npos) return {};
  const std::size_t from = begin + open.size();
  return body.substr(from, body.find(str_cat("</", name, ">"), from) - from);
}

RawConnection::RawConnection(std::uint16_t port)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  KEDGE_CHECK(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
}

RawConnection::~RawConnection() { ::close(fd_); }

void RawConnection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;  // the answer will show it
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

RawAnswer RawConnection::read(bool head_only, Duration patience) {
  RawAnswer out;
  std::string got = std::exchange(rest_, {});
  std::size_t wanted = std::string::npos;  // of the head and body; not known yet
  std::size_t head_end = std::string::npos;
  while (true) {
    if (head_end == std::string::npos) {
      const std::size_t end = got.find("\r\n\r\n");
      if (end != std::string::npos && got.starts_with("HTTP/1.1 100")) {
        got.erase(0, end + 4);
        continue;
      }
      if (end != std::string::npos) {
        head_end = end + 4;
        parse_head(std::string_view(got).substr(0, end + 2), out);
        const std::string length(out.header("content-length"));
        const bool none = head_only || out.status == 204 || out.status == 304;
        if (none) wanted = head_end;
        if (!none && !length.empty())
          wanted = head_end + std::strtoull(length.c_str(), nullptr, 10);
      }
    }
    if (got.size() >= wanted) break;
    pollfd waited{fd_, POLLIN, 0};
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
    if (::poll(&waited, 1, static_cast<int>(ms)) == 0) {
      out.end = RawAnswer::End::kSilent;
      break;
    }
    std::array<char, 65536> buffer{};
    const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (count <= 0) {
      out.end = count == 0 ? RawAnswer::End::kClosed : RawAnswer::End::kReset;
      break;
    }
    got.append(buffer.data(), static_cast<std::size_t>(count));
  }
  if (head_end != std::string::npos) {
    const std::size_t end = std::min(wanted, got.size());
    out.body = got.substr(head_end, end - head_end);
    rest_ = got.substr(end);
  }
  return out;
}

std::string RawClient::wire(const Ask& ask) const {
  SignedRequest request;
  request.method = ask.method;
  request.host = ask.host.empty() ? str_cat("127.0.0.1:", port_) : ask.host;
  request.path = "/";
  if (ask.host.empty() && !ask.bucket.empty()) request.path += ask.bucket;
  if (!ask.key.empty()) request.path += str_cat(request.path.size() > 1 ? "/" : "", ask.key);
  request.query = ask.query;
  request.headers = ask.headers;
  request.payload_hash = to_hex(sha256(as_bytes(ask.body)));
  // A test that gives its own hash signs that one.
  const auto own = std::ranges::find(ask.headers, "x-amz-content-sha256", &HttpHeader::name);
  if (own != ask.headers.end()) {
    request.payload_hash = own->value;
    request.headers.erase(request.headers.begin() + (own - ask.headers.begin()));
  }
  Credentials credentials;
  credentials.access_key_id = ask.key_pair.access_key_id;
  credentials.secret_access_key = ask.key_pair.secret_access_key;
  credentials.session_token = ask.key_pair.session_token;
  const SigningScope scope{
      .region = ask.region, .service = "s3", .time = clock_.now() + ask.clock_ahead};
  const std::vector<HttpHeader> headers =
      ask.is_signed ? sign_headers(request, credentials, scope) : request.headers;
  std::string out =
      str_cat(ask.method, " ", ask.wire_path.empty() ? encode_path(request.path) : ask.wire_path);
  if (!ask.query.empty()) out += str_cat("?", encode_query(ask.query));
  out += str_cat(" HTTP/1.1\r\nhost: ", request.host, "\r\n");
  for (const HttpHeader& header : headers) out += str_cat(header.name, ": ", header.value, "\r\n");
  return out + str_cat("content-length: ", ask.body.size(), "\r\n\r\n", ask.body);
}

RawAnswer RawClient::send(const Ask& ask, Duration patience) const {
  RawConnection connection(port_);
  connection.write(wire(ask));
  return connection.read(ask.method == "HEAD", patience);
}

RawAnswer RawClient::admin(std::string_view method, std::string_view path,
                           std::string_view body) const {
  RawConnection connection(port_);
  connection.write(str_cat(method, " /_emulator/", path, " HTTP/1.1\r\nhost: e\r\ncontent-length: ",
                           body.size(), "\r\n\r\n", body));
  return connection.read(false);
}

RawAnswer RawClient::put(const std::string& bucket, const std::string& key, std::string body,
                         std::vector<HttpHeader> headers) const {
  return send({.method = "PUT",
               .bucket = bucket,
               .key = key,
               .headers = std::move(headers),
               .body = std::move(body)});
}

RawAnswer RawClient::get(const std::string& bucket, const std::string& key,
                         std::vector<HttpHeader> headers) const {
  return send({.bucket = bucket, .key = key, .headers = std::move(headers)});
}

namespace {

std::unique_ptr<Emulator> must_start(Options options) {
  auto started = Emulator::start(std::move(options));
  KEDGE_CHECK(started.ok());
  return std::move(*started);
}

}  // namespace

Fixture::Fixture(Options options)
    : emulator(must_start(options)), client(emulator->port(), *options.clock) {
  emulator->make_bucket("b", {});
}

void Fixture::script(FaultRule rule) const {
  KEDGE_CHECK(emulator->faults().add(std::move(rule)).ok());
}

}  // namespace kedge::emulator
