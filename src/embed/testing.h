// What the tests of the embedding cache share: vectors that follow from a number, so that a wrong
// one is seen; a log that keeps what was said; a folder that goes away.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "base/strings.h"
#include "embed/cache.h"
#include "format/space.h"

namespace kedge::test {

class KeptLog final : public Log {
 public:
  void write(LogLevel level, std::string_view message) override {
    const std::lock_guard lock(mutex_);
    if (level >= LogLevel::kWarning) lines_.emplace_back(message);
  }
  // How many warnings and errors have `part` in them.
  std::size_t count(std::string_view part) {
    const std::lock_guard lock(mutex_);
    std::size_t found = 0;
    for (const std::string& line : lines_) found += line.find(part) != std::string::npos ? 1 : 0;
    return found;
  }
  std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    lines_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

// In memory where the system has a folder for that: these tests sync often, and pull no plug.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::error_code none;
    path_ = std::filesystem::is_directory("/dev/shm", none)
                ? std::filesystem::path("/dev/shm")
                : std::filesystem::temp_directory_path();
    path_ /= "kedge-cache-" + Id128::random(system_random()).hex();
    std::filesystem::create_directory(path_);
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }
  // In order of their names.
  [[nodiscard]] std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) files.push_back(entry);
    std::sort(files.begin(), files.end());
    return files;
  }

 private:
  std::filesystem::path path_;
};

inline Space cache_space(std::uint32_t dimension, std::string model = "words") {
  Space space;
  space.provider = "test";
  space.model = std::move(model);
  space.revision = "1";
  space.dimension = dimension;
  space.pooling = "mean";
  space.max_tokens = 128;
  return space;
}

// The hash of input `number`.
inline Id128 hash_of(std::uint64_t number) {
  return sha256_128(as_bytes(str_cat("input ", number)));
}

// The one right vector of input `number` in a space: every finite half occurs.
inline std::vector<std::uint16_t> vector_of(std::uint64_t number, std::uint32_t dimension,
                                            std::uint64_t space = 0) {
  SeededRandom random(number * 1000 + space);
  std::vector<std::uint16_t> halves(dimension);
  for (std::uint16_t& half : halves)
    half = static_cast<std::uint16_t>(random.below(2) << 15 | random.below(0x7C00));
  return halves;
}

struct Batch {
  std::vector<std::uint64_t> numbers;
  std::vector<Id128> hashes;
  std::vector<std::vector<std::uint16_t>> vectors;
};

// The inputs from `first` on.
inline Batch batch_of(std::uint64_t first, std::size_t count, std::uint32_t dimension,
                      std::uint64_t space = 0) {
  Batch batch;
  for (std::uint64_t number = first; number < first + count; ++number) {
    batch.numbers.push_back(number);
    batch.hashes.push_back(hash_of(number));
    batch.vectors.push_back(vector_of(number, dimension, space));
  }
  return batch;
}

// A process that has a cache open: its own clock, random numbers and log on a store and a spill
// folder shared with others. Destroying it is what a kill leaves behind.
struct CacheProcess {
  CacheProcess(ObjectStore& on, EmbeddingCacheOptions with, std::uint64_t seed, Space of)
      : store(on), options(std::move(with)), space(std::move(of)), random(seed) {}

  // A deadline some simulated minutes away.
  Deadline soon() { return Deadline::after(clock, std::chrono::minutes(30)); }
  Status open() {
    auto opened =
        EmbeddingCache::open(store, space, clock, random, inline_executor(), log, options, soon());
    if (!opened.ok()) return opened.error();
    cache = *std::move(opened);
    return {};
  }
  Status add(const Batch& batch) { return cache->add(batch.hashes, batch.vectors, soon()); }
  Status flush() { return cache->flush(soon()); }
  // How many of the batch are found; each must be the one right vector.
  Result<std::size_t> find(const Batch& batch) {
    const auto found = KEDGE_TRY(cache->lookup(batch.hashes, soon()));
    EXPECT_EQ(found.size(), batch.hashes.size());
    std::size_t there = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (!found[i]) continue;
      EXPECT_EQ(*found[i], batch.vectors[i]) << "input " << batch.numbers[i];
      ++there;
    }
    return there;
  }

  ObjectStore& store;
  EmbeddingCacheOptions options;
  Space space;
  ManualClock clock;
  SeededRandom random;
  KeptLog log;
  std::unique_ptr<EmbeddingCache> cache;
};

}  // namespace kedge::test
