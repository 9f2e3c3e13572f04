// What a transfer says when it fails: the host, the phase, what went wrong. Never a path, a query
// or a header's value: they may be secrets.
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>

#include "base/errno_text.h"
#include "base/strings.h"
#include "net/transfer.h"

namespace kedge {
namespace {

std::string duration_text(Duration duration) {
  const std::int64_t micros = duration.count();
  if (micros % 1'000'000 == 0) return str_cat(micros / 1'000'000, " s");
  return str_cat(micros / 1'000, " ms");
}

std::string reason_of(long error) {
  switch (error) {
    case 0:
      return "failed";
    case ECONNREFUSED:
      return "refused";
    case ECONNRESET:
    case EPIPE:
      return "reset";
    default:
      break;
  }
  std::string lower = errno_text(static_cast<int>(error));
  if (lower[0] >= 'A' && lower[0] <= 'Z') lower[0] = static_cast<char>(lower[0] - 'A' + 'a');
  return lower;
}

}  // namespace

std::string_view Transfer::phase_name() const {
  switch (phase_) {
    case Phase::kConnecting:
      break;
    case Phase::kSending:
      return "sending";
    case Phase::kWaiting:
      return "waiting for the answer";
    case Phase::kReceiving:
      return "receiving";
  }
  curl_off_t resolved = 0;
  curl_easy_getinfo(easy_, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
  if (resolved == 0) return "resolving";
  // The peer's address is known from TCP's connection on; libcurl's times tell only when all is
  // done.
  const char* peer = nullptr;
  curl_easy_getinfo(easy_, CURLINFO_PRIMARY_IP, &peer);
  return target_->tls && peer != nullptr && *peer != '\0' ? "tls" : "connecting";
}

std::string Transfer::message(std::string_view what) const {
  return str_cat(target_->host_port, ": ", phase_name(), ": ", what);
}

Error Transfer::unavailable(std::string_view what) const {
  return {Code::kUnavailable, message(what)};
}

std::string Transfer::received() const {
  if (content_length_ && !chunked_)
    return str_cat(response_.body.size(), " of ", *content_length_, " bytes");
  return str_cat(response_.body.size(), " bytes");
}

Error Transfer::timed_out(Duration now) const {
  const HttpTimeouts& timeouts = request_->timeouts;
  if (now - total_from_ >= timeouts.total)
    return unavailable(str_cat("not done within ", duration_text(timeouts.total)));
  switch (phase_) {
    case Phase::kConnecting:
      return unavailable(str_cat("no connection within ", duration_text(timeouts.connect)));
    case Phase::kSending:
      return unavailable(str_cat("nothing moved for ", duration_text(timeouts.idle_body),
                                 ", after ", uploaded_, " of ", request_->body.size(), " bytes"));
    case Phase::kWaiting:
      return unavailable(str_cat("no byte within ", duration_text(timeouts.first_byte)));
    case Phase::kReceiving:
      break;
  }
  return unavailable(
      str_cat("nothing came for ", duration_text(timeouts.idle_body), ", after ", received()));
}

std::string Transfer::system_error() const {
  long error = 0;
  curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &error);
  // Of a socket that there was not libcurl knows no reason.
  if (error == 0 && phase_ == Phase::kConnecting) error = environment_.refused_socket;
  return reason_of(error);
}

Error Transfer::tls_error(CURLcode code) const {
  const std::string at = str_cat(target_->host_port, ": tls: ");
  if (code == CURLE_SSL_CACERT_BADFILE)
    return {Code::kDenied, str_cat(at,
                                   "the CA certificates cannot be read; name them with "
                                   "--ca-file")};
  long verified = X509_V_OK;
  curl_easy_getinfo(easy_, CURLINFO_SSL_VERIFYRESULT, &verified);
  // libcurl compares names before it notes a result, and begins with "unspecified".
  if (verified == X509_V_OK || verified == X509_V_ERR_UNSPECIFIED)
    return {Code::kDenied,
            str_cat(at, "the certificate is another host's: ", printable(curl_message_),
                    "; no CA of --ca-file can change that, the host's name must")};
  return {Code::kDenied,
          str_cat(at, "the certificate is not trusted: ", X509_verify_cert_error_string(verified),
                  "; name the CA that signed it with --ca-file")};
}

Error Transfer::error_of(CURLcode code) const {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return timed_out(environment_.clock.monotonic());
    case CURLE_COULDNT_RESOLVE_HOST:
      return unavailable("no such host, or its name server did not answer");
    case CURLE_COULDNT_RESOLVE_PROXY:
      return unavailable("the proxy's name is not known");
    case CURLE_COULDNT_CONNECT:
    case CURLE_SEND_ERROR:
      return unavailable(system_error());
    case CURLE_RECV_ERROR:
      return phase_ == Phase::kReceiving
                 ? unavailable(str_cat(system_error(), " after ", received()))
                 : unavailable(system_error());
    case CURLE_PARTIAL_FILE:
      return unavailable(str_cat("closed after ", received()));
    case CURLE_GOT_NOTHING:
      return unavailable("closed without one");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return tls_error(code);
    case CURLE_SSL_CONNECT_ERROR:
      return unavailable(str_cat("the handshake failed: ", printable(curl_message_)));
    case CURLE_UNSUPPORTED_PROTOCOL:  // HTTP/0.9, as libcurl names it; the URL's scheme was checked
    case CURLE_WEIRD_SERVER_REPLY:
      return unavailable("not an http answer");
    case CURLE_URL_MALFORMAT:
      return {Code::kInvalid, str_cat(target_->host_port, ": not a url")};
    case CURLE_OUT_OF_MEMORY:
      return {Code::kExhausted, message("no memory")};
    default:
      return unavailable(curl_easy_strerror(code));
  }
}

}  // namespace kedge
