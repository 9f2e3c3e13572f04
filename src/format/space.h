// An embedding space: everything that decides whether two vectors can be compared. Vectors of two
// spaces never meet. Stored in the head of the index and, by its id, in every segment.
// docs/format.md, "Space".
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/hash.h"

namespace kedge {

enum class Metric : std::uint8_t { kCosine = 1, kL2 = 2, kDot = 3 };

struct Space {
  std::string provider;  // "local", "test", later "openai", ...
  std::string model;     // "all-MiniLM-L6-v2"
  std::string revision;  // what tells two files of the same name apart: a digest of the weights
  std::uint32_t dimension = 0;  // 1 to 8192
  Metric metric = Metric::kCosine;
  bool normalised = true;
  std::string pooling;          // "mean", "cls"
  std::string query_prefix;     // put before a question, e.g. "query: " (E5)
  std::string document_prefix;  // put before a chunk
  std::string modality = "text";
  std::string precision = "f32";  // of the inference
  std::uint32_t max_tokens = 0;   // inputs are cut there, special tokens included
  std::uint64_t rotation_seed = 0;

  bool operator==(const Space&) const = default;
  // 128 bits of SHA-256 of the encoding: the same on every machine.
  [[nodiscard]] Id128 id() const;
  // For messages: "local/all-MiniLM-L6-v2, 384 dimensions".
  [[nodiscard]] std::string describe() const;

  void encode(ByteWriter& out) const;
  // kCorrupt with the field's name. Strings are at most kMaxSpaceString bytes.
  static Result<Space> parse(ByteReader& in);
};

inline constexpr std::size_t kMaxSpaceString = 1024;
inline constexpr std::uint32_t kMaxDimension = 8192;

// Codes live in rotated space, whose dimension is the space's filled up to a multiple of 64.
constexpr std::uint32_t padded_dimension(std::uint32_t dimension) {
  return (dimension + 63) / 64 * 64;
}

}  // namespace kedge
