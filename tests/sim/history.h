// What was asked of an index and what it answered, and whether each key can have been one register:
// linearizable, with writes that leave the newer version in place (docs/commit.md, rule 6).
//
// Such a register needs no search over orders (Wing and Gong, 1993): versions only grow, so that a
// history is linearizable if and only if every read gives a version whose write had begun by the
// read's end, none older than a write or a read that had ended by its beginning. Where nothing is
// live it is some absence that was read, or the beginning.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/index.h"

namespace kedge::sim {

// Two versions read within this of each other have no order: the source decides between them.
inline constexpr Duration kNoOrder = std::chrono::seconds(2);

class History {
 public:
  // A moment after all that were given before.
  std::uint64_t now() { return ++now_; }

  // A version, or an absence, that was to be written. `end`: absent of a write in doubt, which may
  // have an effect at any later time or none. A write that was refused is not told.
  void wrote(const ObjectKey& key, Timestamp version, bool absence, std::uint64_t begin,
             std::optional<std::uint64_t> end);
  // `version`: absent where nothing is live.
  void read(const ObjectKey& key, std::optional<Timestamp> version, std::uint64_t begin,
            std::uint64_t end);

  // Why some keys can have been none; empty: all can.
  [[nodiscard]] std::vector<std::string> violations() const;
  [[nodiscard]] std::uint64_t reads() const { return reads_; }

 private:
  struct Write {
    Timestamp version;
    bool absence = false;
    std::uint64_t begin = 0;
    std::optional<std::uint64_t> end;
  };
  struct Read {
    std::optional<Timestamp> version;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };
  struct OfKey {
    std::vector<Write> writes;
    std::vector<Read> reads;
  };

  static void check(const ObjectKey& key, const OfKey& events, std::vector<std::string>& out);

  std::uint64_t now_ = 0;
  std::uint64_t reads_ = 0;
  std::map<ObjectKey, OfKey> keys_;
};

}  // namespace kedge::sim
