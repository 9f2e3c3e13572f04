// For tests of the emulator and on it: a client that sees every byte, also of an answer that is
// broken, and signs with s3/sigv4.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/emulator.h"
#include "s3/sigv4.h"

namespace kedge::emulator {

// What came back on a connection.
struct RawAnswer {
  enum class End { kComplete, kClosed, kReset, kSilent };
  End end =
      End::kComplete;  // kComplete: as many bytes as Content-Length says, and not one more yet
  int status = 0;      // 0: no whole head came
  std::vector<HttpHeader> headers;  // names in lower case
  std::string body;
  [[nodiscard]] std::string_view header(std::string_view name) const;
  // The text inside the first <name> of the body, unescaped no further.
  [[nodiscard]] std::string inside(std::string_view name) const;
};

// What a test asks; defaults are those of Options.
struct Ask {
  std::string method = "GET";
  std::string bucket = {};
  std::string key = {};
  std::vector<std::pair<std::string, std::string>> query = {};
  std::vector<HttpHeader> headers = {};
  std::string body = {};
  // Of the signature.
  KeyPair key_pair = {"test-key", "test-secret"};
  std::string region = "us-east-1";
  Duration clock_ahead{0};
  bool is_signed = true;
  // How the wire differs from what is signed.
  std::string wire_path = {};  // "": as signed
  std::string host = {};       // "": the endpoint's; else virtual-host style
};

class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;
  void write(std::string_view bytes);
  // kSilent after `patience` without a byte.
  RawAnswer read(bool head_only, Duration patience = std::chrono::seconds(20));

 private:
  int fd_ = -1;
  std::string rest_;  // beyond the last answer
};

class RawClient {
 public:
  RawClient(std::uint16_t port, Clock& clock) : port_(port), clock_(clock) {}
  [[nodiscard]] std::string wire(const Ask& ask) const;  // the bytes of a request
  // On a connection of its own.
  RawAnswer send(const Ask& ask, Duration patience = std::chrono::seconds(20)) const;
  // Without any signature: for /_emulator/.
  RawAnswer admin(std::string_view method, std::string_view path, std::string_view body = "") const;

  RawAnswer put(const std::string& bucket, const std::string& key, std::string body,
                std::vector<HttpHeader> headers = {}) const;
  RawAnswer get(const std::string& bucket, const std::string& key,
                std::vector<HttpHeader> headers = {}) const;

 private:
  std::uint16_t port_;
  Clock& clock_;
};

// An emulator with a bucket "b".
struct Fixture {
  explicit Fixture(Options options = {});
  std::unique_ptr<Emulator> emulator;
  RawClient client;
  void script(FaultRule rule) const;
};

}  // namespace kedge::emulator
