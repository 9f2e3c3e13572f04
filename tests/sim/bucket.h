// The bucket that is synced: it changes under everybody, and remembers all that it ever held. And
// the model that its texts are given to, which fails at times.
//
// Threads: whoever speaks on the stage.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "embed/embedder.h"
#include "engine/index.h"
#include "store/memory_store.h"
#include "tests/sim/turn.h"

namespace kedge::sim {

class Bucket {
 public:
  // `time` is the true one; store() shows it cut to `options.clock_step`.
  Bucket(ManualClock& time, MemoryStoreOptions options) : time_(time), options_(options) {}

  ObjectStore& store() { return store_; }
  // `number`: of a key, from 1.
  void change(std::uint32_t number, Change change);
  [[nodiscard]] static std::string key(std::uint32_t number);

  // Whether the row can have been made of what lay here; else why not.
  [[nodiscard]] bool explains(const ObjectRow& row, std::string& why) const;
  // Whether nothing lay under the key at some moment from `since` on.
  [[nodiscard]] bool was_absent(const std::string& key, Timestamp since) const;
  // What lies here now: key and tag.
  [[nodiscard]] std::map<std::string, std::string> tags() const;

 private:
  struct Version {
    Timestamp from;
    std::optional<Timestamp> to;  // absent: it lies here still
    std::string tag;
    Sha256 content{};
    std::uint32_t text = 0;
  };
  void write(const std::string& key, std::uint32_t text);
  void end_version(const std::string& key);

  ManualClock& time_;
  MemoryStoreOptions options_;
  MemoryStore store_{time_, options_};
  std::map<std::string, std::vector<Version>> held_;
  std::uint32_t texts_ = 0;
};

// How a call of the model can fail.
enum class ModelFailure : std::uint8_t {
  kBusy,   // "429"
  kError,  // "500"
  kShort,  // a text less than it was given
  kWide,   // another dimension
  kNan,    // not a number among them
};
inline constexpr std::size_t kModelFailures = static_cast<std::size_t>(ModelFailure::kNan) + 1;

// What all models of a history were given, and what they gave.
struct ModelRecord {
  std::map<Id128, std::vector<std::uint16_t>> given;  // by input_hash
  std::uint64_t texts = 0;                            // that were answered
  std::uint64_t again = 0;                            // of which had been answered before
  std::array<std::uint64_t, kModelFailures> failures{};
};

// Vectors are pseudo-random by text.
class SimulatedModel final : public Embedder {
 public:
  // Fails at random where `random` is there. References must outlive it.
  SimulatedModel(Space space, ModelRecord& record, Random* random)
      : space_(std::move(space)), record_(record), random_(random) {}

  [[nodiscard]] const Space& space() const override { return space_; }
  std::size_t count_tokens(std::string_view text) override;
  [[nodiscard]] std::size_t special_tokens() const override { return 2; }
  Result<std::vector<float>> embed_documents(std::span<const std::string> texts) override;
  Result<std::vector<float>> embed_queries(std::span<const std::string> texts) override {
    return embed_documents(texts);
  }
  [[nodiscard]] std::string document_input(std::string_view text) const override {
    return std::string(text);
  }
  [[nodiscard]] EmbedUsage usage() const override { return usage_; }

 private:
  Space space_;
  ModelRecord& record_;
  Random* random_;
  EmbedUsage usage_;
};

}  // namespace kedge::sim
