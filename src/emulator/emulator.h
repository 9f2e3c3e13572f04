// An S3 of one's own: real sockets, real signatures, state in memory, and every way to misbehave
// that was seen of a real store, by script. For tests in process and as kedge-s3-emulator.
//
// What it promises unless a script says otherwise: a write and its condition are one step; reads
// and listings show every write that was answered; ETags are MD5 sums; times are the emulator's
// clock. docs/emulator.md names what it does not have.
//
// Threads: any method, from any thread, but start() and the destructor.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "emulator/auth.h"
#include "emulator/faults.h"
#include "emulator/shaping.h"

namespace kedge::emulator {

inline constexpr std::size_t kMaxRecords = 10'000;
inline constexpr std::size_t kMaxLate = 10'000;
inline constexpr std::uint64_t kMaxFill = 20'000'000;

// Something that nobody may do, as a policy would say it: "s3:ListBucket" on keys that begin with
// `prefix`; "": all of the bucket. Without s3:ListBucket a key that is missing answers 403.
struct Denial {
  std::string permission;   // "s3:*" for all
  std::string bucket = {};  // "": every bucket
  std::string prefix = {};
};

struct Options {
  Clock* clock = &system_clock();
  Duration clock_offset{0};  // the store's clock is this far ahead
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any
  // bucket.<domain> is virtual-host style, as is bucket.<host>.
  std::string domain = "localhost";
  std::string region = "us-east-1";
  std::vector<KeyPair> keys = {{"test-key", "test-secret"}};
  std::string account = "000000000000";
  Latency latency = {};
  std::uint64_t bandwidth = 0;         // bytes a second and connection, each way; 0: no limit
  std::uint64_t shared_bandwidth = 0;  // of the answers of all connections together; 0: no limit
  std::uint64_t seed = 1;
  std::uint64_t max_body_bytes = 5ULL << 30;
  std::uint64_t min_part_bytes = 5ULL << 20;
  // Another region in the signature: 301 with the right one, not 400.
  bool redirect_wrong_region = false;
  std::vector<Denial> denials = {};
  std::vector<FaultRule> faults = {};
};

struct BucketOptions {
  std::string region = {};  // "": the emulator's
  bool versioned = false;
  bool public_read = false;
  bool requester_pays = false;
};

// Made-up objects. The key of each is `prefix` and `name`, in which "{number}" is its number,
// "{32}" 32 hexadecimal digits that are made of it, and "{hh}" the first two of these.
struct FillRequest {
  std::string bucket;
  std::string prefix = {};
  std::uint64_t count = 0;
  std::uint64_t size = 0;  // of each; takes no memory
  std::string name = "{number}";
};

// What may change while it runs; empty: stays as it is.
struct Settings {
  std::optional<Duration> clock_offset = {};
  std::optional<Latency> latency = {};
  std::optional<std::uint64_t> bandwidth = {};
  std::optional<std::uint64_t> shared_bandwidth = {};
  std::optional<bool> redirect_wrong_region = {};
  std::optional<std::vector<Denial>> denials = {};
  std::optional<std::vector<KeyPair>> keys = {};
};

struct Counts {
  std::uint64_t requests = 0;
  std::uint64_t errors = 0;    // answered with 400 or above, or not at all
  std::uint64_t bytes_in = 0;  // of bodies
  std::uint64_t bytes_out = 0;
};

// A request that came, for tests that ask who asked for what.
struct Record {
  std::string operation;
  std::string permission;  // as IAM names it
  std::string bucket;
  std::string key;
  std::string range;
  std::string access_key_id;  // "": not signed, or not believed
  int status = 0;             // 0: no answer
  std::uint64_t bytes = 0;    // of the answer's body
  Duration began{0};          // by a monotonic clock of the machine
  Duration ended{0};
};

class Emulator {
 public:
  static Result<std::unique_ptr<Emulator>> start(Options options);
  virtual ~Emulator() = default;  // stops

  // Ends every connection, also those that stall. What was to land late does not land.
  virtual void stop() = 0;
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  [[nodiscard]] virtual std::string endpoint() const = 0;  // "http://127.0.0.1:4711"

  virtual FaultScript& faults() = 0;
  virtual void set(const Settings& settings) = 0;
  // Makes a bucket, or changes what is there.
  virtual void make_bucket(const std::string& name, const BucketOptions& options) = 0;
  // Makes objects without a request each, so that a million are there in seconds. kNotFound: no
  // such bucket. kExhausted: more than kMaxFill.
  virtual Status fill(const FillRequest& request) = 0;

  // By operation, without those for the emulator itself.
  [[nodiscard]] virtual std::map<std::string, Counts> counts() const = 0;
  // The last kMaxRecords, oldest first.
  [[nodiscard]] virtual std::vector<Record> records() const = 0;
  virtual void forget_counts() = 0;
};

}  // namespace kedge::emulator
