// The embedding cache: (input hash -> f16 vector) of one space, on a store, shared by every index
// that is told to use it. DESIGN: a vector that was paid for is not paid for again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "commit/collect.h"
#include "format/pack.h"
#include "format/space.h"
#include "store/object_store.h"

namespace kedge {

using HalfVector = std::vector<std::uint16_t>;  // dimension IEEE halves

struct EmbeddingCacheOptions {
  std::string prefix;        // "<index>/cache/" or where the caller shares it; "" or ends with '/'
  std::string spill_folder;  // local; "" for none: then vectors go straight to packs
  std::uint32_t pack_rows = 1024;
  Duration pack_every = std::chrono::seconds(30);
  // Of heads and index blocks that are kept; a merge of packs takes about as much again, so that
  // packs get no larger than half of it.
  std::uint64_t memory_bytes = 2 * kMaxPackBytes;
};

// What the cache holds, as of the last look at its head.
struct EmbeddingCacheStats {
  std::uint64_t packs = 0;
  std::uint64_t entries = 0;
  std::uint64_t pack_bytes = 0;
  std::uint64_t pending = 0;        // vectors not in a pack yet
  std::uint64_t adopted = 0;        // vectors taken over from spills of ended processes
  std::uint64_t spilled_bytes = 0;  // written locally by this process
};

inline constexpr std::size_t kMaxPendingPacks =
    8;                                        // packs' worth of vectors held while the store fails
inline constexpr std::size_t kPackFanIn = 8;  // packs of one tier that are merged

// Threads: one at a time.
class EmbeddingCache {
 public:
  virtual ~EmbeddingCache() = default;
  static Result<std::unique_ptr<EmbeddingCache>> open(ObjectStore& store, const Space& space,
                                                      Clock& clock, Random& random,
                                                      Executor& executor, Log& log,
                                                      EmbeddingCacheOptions options,
                                                      Deadline deadline);

  // One entry a hash, in order. A damaged pack counts as missing, with a warning: never a wrong
  // vector.
  virtual Result<std::vector<std::optional<HalfVector>>> lookup(std::span<const Id128> hashes,
                                                                Deadline deadline) = 0;
  // Remembers vectors just paid for: durable locally when it returns (where there is a spill
  // folder), on the store after pack_rows or pack_every, or flush().
  virtual Status add(std::span<const Id128> hashes, std::span<const HalfVector> vectors,
                     Deadline deadline) = 0;
  virtual Status flush(Deadline deadline) = 0;
  // Collects unnamed packs.
  virtual Result<CollectReport> collect(Deadline deadline) = 0;
  [[nodiscard]] virtual EmbeddingCacheStats stats() const = 0;
};

// The key of a model input: 128 bits of SHA-256 over the space's id and the exact input.
Id128 input_hash(const Space& space, std::string_view model_input);

}  // namespace kedge
