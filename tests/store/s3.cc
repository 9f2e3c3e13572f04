// The conformance suite over real sockets: on the emulator, with and without versions, and on
// versitygw where KEDGE_VERSITYGW names the program (./dev test sees to that).
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "base/strings.h"
#include "emulator/emulator.h"
#include "net/http_client.h"
#include "s3/credential_chain.h"
#include "s3/s3_store.h"
#include "s3/sigv4.h"
#include "store/prefix_store.h"
#include "tests/store/conformance.h"
#include "tests/store/temporary_folder.h"

namespace kedge {
namespace {

const Deadline kNever = Deadline::never();
constexpr const char* kAccessKey = "test-key";
constexpr const char* kSecretKey = "test-secret";
constexpr const char* kBucket = "conformance";

// A store over a server, with a client of its own.
class S3Handle final : public ObjectStore {
 public:
  S3Handle(const std::string& endpoint, const std::string& bucket)
      : http_(make_http_client({}, system_clock()).value()),
        credentials_(fixed_credentials({.access_key_id = kAccessKey,
                                        .secret_access_key = kSecretKey,
                                        .session_token = {},
                                        .expires = {},
                                        .origin = "test"})) {
    S3Options options;
    options.endpoint = endpoint;
    options.region = "us-east-1";
    store_ = make_s3_store(bucket, options, {*http_, *credentials_, system_clock(), silent_log()})
                 .value();
  }

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    return store_->read(requests, deadline);
  }
  std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    return store_->stat(requests, deadline);
  }
  std::vector<Result<Written>> put(std::span<const PutRequest> requests,
                                   Deadline deadline) override {
    return store_->put(requests, deadline);
  }
  Result<Written> create(std::string_view key, ByteView body, Deadline deadline) override {
    return store_->create(key, body, deadline);
  }
  Result<Written> swap(std::string_view key, const Tag& expected, ByteView body,
                       Deadline deadline) override {
    return store_->swap(key, expected, body, deadline);
  }
  std::vector<Result<void>> remove(std::span<const std::string> keys, Deadline deadline) override {
    return store_->remove(keys, deadline);
  }
  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view start_after) override {
    return store_->list(prefix, start_after);
  }
  Result<Timestamp> now(Deadline deadline) override { return store_->now(deadline); }
  Result<Leftovers> sweep(const SweepRequest& request, Deadline deadline) override {
    return store_->sweep(request, deadline);
  }
  [[nodiscard]] std::string describe() const override { return store_->describe(); }

 private:
  std::unique_ptr<HttpClient> http_;
  std::unique_ptr<CredentialProvider> credentials_;
  std::unique_ptr<ObjectStore> store_;
};

// On the emulator the suite's races hold under every seed; a bucket of its own for each test.
class EmulatorUnderTest final : public StoreUnderTest {
 public:
  explicit EmulatorUnderTest(bool versioned) {
    emulator::Options options;
    options.keys = {{kAccessKey, kSecretKey}};
    emulator_ = emulator::Emulator::start(std::move(options)).value();
    emulator::BucketOptions bucket;
    bucket.versioned = versioned;
    emulator_->make_bucket(kBucket, bucket);
    store_ = open_again();
  }
  ObjectStore& store() override { return *store_; }
  std::unique_ptr<ObjectStore> open_again() override {
    return std::make_unique<S3Handle>(emulator_->endpoint(), kBucket);
  }

 private:
  std::unique_ptr<emulator::Emulator> emulator_;
  std::unique_ptr<ObjectStore> store_;
};

// A port that was free a moment ago.
std::uint16_t free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

bool takes_attributes(const std::string& folder) {
  return ::setxattr(folder.c_str(), "user.kedge", "1", 1, 0) == 0;
}

// One versitygw for all tests of this program; a bucket of its own for each test.
class Gateway {
 public:
  static Gateway& instance() {
    static Gateway gateway;
    return gateway;
  }
  [[nodiscard]] std::string endpoint() const { return str_cat("http://127.0.0.1:", port_); }

  std::string new_bucket() {
    const std::string bucket = str_cat("conformance-", ++buckets_);
    make_bucket(bucket);
    return bucket;
  }

  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

 private:
  Gateway() : port_(free_port()) {
    for (const char* name : {"/data", "/versions", "/sidecar"})
      EXPECT_EQ(::mkdir((folder_.path() + name).c_str(), 0700), 0);
    const std::string port = str_cat("127.0.0.1:", port_);
    const std::string data = folder_.path() + "/data";
    const std::string versions = folder_.path() + "/versions";
    const std::string sidecar = folder_.path() + "/sidecar";
    std::vector<const char*> words = {std::getenv("KEDGE_VERSITYGW"),
                                      "--port",
                                      port.c_str(),
                                      "--keep-alive",
                                      "--quiet",
                                      "posix",
                                      "--versioning-dir",
                                      versions.c_str()};
    if (!takes_attributes(data)) {
      words.push_back("--sidecar");
      words.push_back(sidecar.c_str());
    }
    words.push_back(data.c_str());
    words.push_back(nullptr);
    process_ = ::fork();
    if (process_ == 0) {
      ::setenv("ROOT_ACCESS_KEY", kAccessKey, 1);
      ::setenv("ROOT_SECRET_KEY", kSecretKey, 1);
      ::execv(words[0], const_cast<char* const*>(words.data()));
      ::_exit(127);
    }
    wait_until_it_listens();
  }
  ~Gateway() {
    ::kill(process_, SIGTERM);
    ::waitpid(process_, nullptr, 0);
  }

  // It says nothing when it is ready; a connection that it takes does.
  void wait_until_it_listens() const {
    const Deadline deadline = Deadline::after(system_clock(), std::chrono::seconds(30));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    while (!deadline.passed(system_clock())) {
      const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
      const bool connected =
          ::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
      ::close(descriptor);
      if (connected) return;
      system_clock().sleep(std::chrono::milliseconds(20));
    }
    ADD_FAILURE() << "versitygw does not listen";
  }

  void make_bucket(const std::string& bucket) const {
    const auto http = make_http_client({}, system_clock()).value();
    HttpRequest request;
    request.method = "PUT";
    request.url = endpoint() + "/" + bucket;
    const Credentials credentials{.access_key_id = kAccessKey,
                                  .secret_access_key = kSecretKey,
                                  .session_token = {},
                                  .expires = {},
                                  .origin = {}};
    request.headers =
        sign_headers({.method = "PUT",
                      .host = str_cat("127.0.0.1:", port_),
                      .path = "/" + bucket,
                      .query = {},
                      .headers = {},
                      .payload_hash = std::string(kEmptyPayloadHash)},
                     credentials, {.region = "us-east-1", .time = system_clock().now()});
    const auto response = http->send_one(request, kNever);
    ASSERT_TRUE(response.ok()) << response.error().message;
    ASSERT_EQ(response->status, 200) << as_text(response->body);
  }

  TemporaryFolder folder_;
  std::uint16_t port_;
  pid_t process_ = -1;
  std::atomic<int> buckets_{0};
};

class GatewayUnderTest final : public StoreUnderTest {
 public:
  GatewayUnderTest() : bucket_(Gateway::instance().new_bucket()), store_(open_again()) {}
  ObjectStore& store() override { return *store_; }
  std::unique_ptr<ObjectStore> open_again() override {
    return std::make_unique<S3Handle>(Gateway::instance().endpoint(), bucket_);
  }

 private:
  std::string bucket_;
  std::unique_ptr<ObjectStore> store_;
};

std::vector<StoreCase> s3_cases() {
  std::vector<StoreCase> cases = {
      {.name = "emulator", .make = [] { return std::make_unique<EmulatorUnderTest>(false); }},
      {.name = "emulator_versioned",
       .make = [] { return std::make_unique<EmulatorUnderTest>(true); }}};
  if (std::getenv("KEDGE_VERSITYGW") != nullptr)
    cases.push_back({.name = "versitygw",
                     .make = [] { return std::make_unique<GatewayUnderTest>(); },
                     .any_key = false,
                     .keys_are_paths = true,
                     .clock_lag = std::chrono::seconds(1)});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(S3, StoreConformance, testing::ValuesIn(s3_cases()),
                         [](const auto& info) { return info.param.name; });

TEST(S3Conformance, RanOnARealServer) {
  if (std::getenv("KEDGE_VERSITYGW") == nullptr)
    GTEST_SKIP() << "versitygw is not there (KEDGE_VERSITYGW): the conformance suite ran on the "
                    "emulator only";
}

// What one handle removed for good from a versioned bucket: all but what a listing shows.
TEST(S3Versions, SweepLeavesWhatIsShown) {
  EmulatorUnderTest under_test(true);
  ObjectStore& store = under_test.store();
  for (const char* body : {"one", "two", "three"})
    ASSERT_TRUE(done(put_one(store, "i/head", as_bytes(body), kNever)));
  ASSERT_TRUE(done(put_one(store, "i/gone", as_bytes("x"), kNever)));
  ASSERT_TRUE(done(put_one(store, "other", as_bytes("x"), kNever)));
  ASSERT_TRUE(done(put_one(store, "other", as_bytes("y"), kNever)));
  const std::string gone = "i/gone";
  ASSERT_TRUE(done(store.remove({&gone, 1}, kNever).front()));
  const Result<Timestamp> now = store.now(kNever);
  ASSERT_TRUE(done(now));
  const Timestamp later = *now + std::chrono::hours(1);
  const Result<Leftovers> swept = store.sweep({.prefix = "i/", .before = later}, kNever);
  ASSERT_TRUE(done(swept));
  EXPECT_EQ(swept->versions, 3U);
  EXPECT_EQ(swept->markers, 1U);
  EXPECT_EQ(text_at(store, "i/head"), "three");
  const Result<Leftovers> again = store.sweep({.prefix = "i/", .before = later}, kNever);
  ASSERT_TRUE(done(again));
  EXPECT_EQ(again->versions + again->markers, 0U);
  SweepRequest rest{.prefix = {}, .before = later, .dry_run = true};
  EXPECT_EQ(store.sweep(rest, kNever)->versions, 1U) << "of the other prefix";
}

}  // namespace
}  // namespace kedge
