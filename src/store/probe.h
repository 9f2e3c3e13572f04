// Whether a store keeps the promises that commits stand on. Many that speak the protocol of S3 do
// not: they let two writers create one key, or ignore a condition. docs/stores.md has the checks.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "store/object_store.h"

namespace kedge {

struct ProbeCheck {
  std::string name;  // "create twice", "race of swaps", ...
  bool ok = false;
  std::string detail;  // what was seen, and what it means
  // Set where nothing was told: the store refused or did not answer. `ok` is false then.
  std::optional<Error> error;
  // Whether an index could be damaged without it; else something is only less convenient.
  bool needed = true;
};

struct ProbeReport {
  std::vector<ProbeCheck> checks;
  // The first needed check that was answered and did not hold; nullptr: none.
  [[nodiscard]] const ProbeCheck* broken() const;
  // The first needed check that was not answered.
  [[nodiscard]] const ProbeCheck* undecided() const;
};

struct ProbeOptions {
  std::string prefix = "probe/";  // of its keys, which it removes again
  std::size_t race_writers = 8;
  int race_rounds = 20;
};

// Writes, reads and removes keys of its own. `executor` runs the races: as many at once as it is
// wide.
ProbeReport probe_store(ObjectStore& store, Executor& executor, Random& random,
                        const ProbeOptions& options, Deadline deadline);

}  // namespace kedge
