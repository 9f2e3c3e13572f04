// Who is trusted: certificates made here, and a server that presents them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <fstream>

#include "net/net_testing.h"
#include "net/scripted_server.h"

namespace kedge {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
using Certificate = std::unique_ptr<X509, void (*)(X509*)>;

struct Identity {
  Key key{EVP_EC_gen("P-256"), EVP_PKEY_free};
  Certificate certificate{X509_new(), X509_free};
};

void extend(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  ASSERT_NE(extension, nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// A CA of its own where `issuer` is null; else signed by it, for `names`, over in `seconds`.
Identity make_identity(const Identity* issuer, const char* names, long seconds = 3'600) {
  Identity made;
  X509* const certificate = made.certificate.get();
  const Identity& signer = issuer == nullptr ? made : *issuer;
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), issuer == nullptr ? 1 : 2);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -7'200);
  X509_gmtime_adj(X509_getm_notAfter(certificate), seconds);
  X509_NAME_add_entry_by_txt(
      X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
      reinterpret_cast<const unsigned char*>(issuer == nullptr ? "test CA" : "test server"), -1, -1,
      0);
  X509_set_issuer_name(certificate, X509_get_subject_name(signer.certificate.get()));
  X509_set_pubkey(certificate, made.key.get());
  if (issuer == nullptr)
    extend(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
  else
    extend(certificate, signer.certificate.get(), NID_subject_alt_name, names);
  EXPECT_GT(X509_sign(certificate, signer.key.get(), EVP_sha256()), 0);
  return made;
}

class PemFile {
 public:
  explicit PemFile(const Identity& identity)
      : path_(std::filesystem::path(testing::TempDir()) /
              str_cat("kedge-ca-", getpid(), "-", reinterpret_cast<std::uintptr_t>(this), ".pem")) {
    const std::unique_ptr<BIO, int (*)(BIO*)> file(BIO_new_file(path_.c_str(), "w"), BIO_free);
    PEM_write_bio_X509(file.get(), identity.certificate.get());
  }
  ~PemFile() { std::filesystem::remove(path_); }
  PemFile(const PemFile&) = delete;
  PemFile& operator=(const PemFile&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// Handshakes as `identity`, then answers each request's path, on as many requests as come.
ScriptedServer::Script tls_server(const Identity& identity) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX_use_certificate(context.get(), identity.certificate.get());
  SSL_CTX_use_PrivateKey(context.get(), identity.key.get());
  return [context](Peer& peer) {
    const std::unique_ptr<SSL, void (*)(SSL*)> tls(SSL_new(context.get()), SSL_free);
    SSL_set_fd(tls.get(), peer.fd());
    if (SSL_accept(tls.get()) != 1) return;
    std::string input;
    char buffer[4'096];
    for (int got = 0; (got = SSL_read(tls.get(), buffer, sizeof(buffer))) > 0;) {
      input.append(buffer, static_cast<std::size_t>(got));
      if (!input.ends_with("\r\n\r\n")) continue;
      std::string answer = answer_of(input.substr(0, input.find('\r')));
      // "/cut" claims more than it sends and ends without close_notify.
      const bool cut = input.find("/cut") != std::string::npos;
      if (cut) answer = "HTTP/1.1 200 OK\r\n\r\nhalf";
      SSL_write(tls.get(), answer.data(), static_cast<int>(answer.size()));
      if (cut) return;
      input.clear();
    }
  };
}

// SSL_write has no MSG_NOSIGNAL.
class Tls : public testing::Test {
 protected:
  static void SetUpTestSuite() { signal(SIGPIPE, SIG_IGN); }
};

// Only a certificate of the right CA for the right name is believed, and the message says which of
// both is wrong and what to do.
TEST_F(Tls, TrustsTheRightCaForTheRightNameOnly) {
  const Identity ca = make_identity(nullptr, "");
  const Identity other_ca = make_identity(nullptr, "");
  const PemFile ca_file(ca);
  const PemFile other_file(other_ca);
  const struct {
    const char* name;
    const char* names;  // of the server
    long seconds;
    std::string ca_file;
    bool verify;
    const char* expected;
  } cases[] = {
      {"right", "IP:127.0.0.1", 3'600, ca_file.path(), true, "GET /x HTTP/1.1"},
      {"wrong CA", "IP:127.0.0.1", 3'600, other_file.path(), true,
       "tls: the certificate is not trusted: "},
      {"the system's", "IP:127.0.0.1", 3'600, "", true, "tls: the certificate is not trusted: "},
      {"wrong address", "IP:127.0.0.2", 3'600, ca_file.path(), true,
       "tls: the certificate is another host's: "},
      {"wrong name", "DNS:example.org", 3'600, ca_file.path(), true,
       "tls: the certificate is another host's: "},
      {"expired", "IP:127.0.0.1", -60, ca_file.path(), true, "certificate has expired"},
      {"not looked at", "DNS:example.org", 3'600, "", false, "GET /x HTTP/1.1"},
  };
  for (const auto& c : cases) {
    const Identity identity = make_identity(&ca, c.names, c.seconds);
    ScriptedServer server(tls_server(identity));
    const auto client = new_client({.ca_file = c.ca_file, .verify_tls = c.verify});
    const std::string url = str_cat("https://", server.host_port(), "/x");
    const auto answer = client->send_one(patient(url), Deadline::never());
    EXPECT_THAT(text_of(answer), HasSubstr(c.expected)) << c.name;
    if (answer.ok()) continue;
    EXPECT_EQ(answer.code(), Code::kDenied) << c.name;
    EXPECT_THAT(answer.error().message, StartsWith(server.host_port())) << c.name;
    EXPECT_THAT(answer.error().message, HasSubstr("--ca-file")) << c.name;
  }
}

// Connections are kept over TLS too. A body without a length that ends without TLS's own end is
// given as one of unknown length, which callers must not take for whole.
TEST_F(Tls, KeepsConnections) {
  const Identity ca = make_identity(nullptr, "");
  const PemFile file(ca);
  const Identity identity = make_identity(&ca, "IP:127.0.0.1");
  ScriptedServer server(tls_server(identity));
  const auto client = new_client({.ca_file = file.path()});
  const std::string url = str_cat("https://", server.host_port());
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(text_of(client->send_one(patient(url + "/x"), Deadline::never())), "GET /x HTTP/1.1");
  EXPECT_EQ(client->counts().connections, 1U);
  HttpRequest once = patient(url + "/y");
  once.at_most_once = true;
  EXPECT_EQ(text_of(client->send_one(once, Deadline::never())), "GET /y HTTP/1.1");
  EXPECT_EQ(client->counts().connections, 2U);
  const auto cut = client->send_one(patient(url + "/cut"), Deadline::never());
  EXPECT_TRUE(!cut.ok() || !cut->length_known);
}

TEST_F(Tls, SaysThatAServerSpeaksNone) {
  ScriptedServer server([](Peer& peer) { peer.write("HTTP/1.1 400 Bad Request\r\n\r\n"); });
  EXPECT_THAT(text_of(new_client()->send_one(patient(str_cat("https://", server.host_port(), "/")),
                                             Deadline::never())),
              StartsWith(str_cat("unavailable: ", server.host_port(), ": tls: ")));
}

// A CA file that is none would else only show as servers that nobody trusts.
TEST_F(Tls, RefusesACaFileThatIsNone) {
  const std::string path = str_cat(testing::TempDir(), "/kedge-no-ca-", getpid());
  std::ofstream(path) << "not PEM";
  for (const auto& [file, message] :
       {std::pair{path, "no certificate in PEM"}, {path + ".absent", "cannot be read"}}) {
    const auto client = make_http_client({.ca_file = file}, system_clock());
    ASSERT_FALSE(client.ok());
    EXPECT_EQ(client.code(), Code::kInvalid);
    EXPECT_THAT(client.error().message, HasSubstr(message));
  }
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace kedge
