// A store that is written to only after a probe has shown that it keeps its promises
// (store/probe.h). The result lies beside the head as probe/<hash of endpoint and bucket>, with the
// store's time, and is looked at by the first write of a process: readers, and writers that find
// nothing to do, ask for nothing (docs/adr/0008).
//
// Threads: any method, from any thread; the first write holds up the others.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "store/probe.h"
#include "store/wrapped_store.h"

namespace kedge {

// A probe, as it is remembered.
struct ProbeRecord {
  std::string endpoint;  // and bucket: of another one it says nothing
  Timestamp probed_at;   // the store's clock
  ProbeReport report;    // decided: its checks carry no errors, but for those not needed
};
std::string encode_probe(const ProbeRecord& record);
// kCorrupt: not such a record.
Result<ProbeRecord> parse_probe(ByteView bytes);

std::string probe_key(std::string_view endpoint);

inline constexpr Duration kProbeLasts = std::chrono::hours(24 * 30);
inline constexpr std::size_t kMaxProbeBytes = 64 * 1024;

class ProbedStore final : public WrappedStore {
 public:
  // `endpoint` names endpoint and bucket. `inner` and `random` outlive the store; `options.prefix`
  // is that of the records too.
  ProbedStore(ObjectStore& inner, std::string endpoint, Random& random, ProbeOptions options = {})
      : WrappedStore(inner),
        endpoint_(std::move(endpoint)),
        random_(random),
        options_(std::move(options)) {}

  // kUnsupported: the store failed a check, by name. Where the probe was not answered: its error,
  // and the next write tries again.
  std::vector<Result<Written>> put(std::span<const PutRequest> requests,
                                   Deadline deadline) override;
  Result<Written> create(std::string_view key, ByteView body, Deadline deadline) override;
  Result<Written> swap(std::string_view key, const Tag& expected, ByteView body,
                       Deadline deadline) override;

  // Probes now, and remembers the result if there is one.
  ProbeReport probe(Deadline deadline);

 private:
  Status check(Deadline deadline);
  Status check_locked(Deadline deadline);
  ProbeReport probe_locked(Deadline deadline);
  Result<bool> recall(Deadline deadline);

  const std::string endpoint_;
  Random& random_;
  const ProbeOptions options_;
  std::mutex mutex_;
  std::optional<Status> verdict_;
};

}  // namespace kedge
