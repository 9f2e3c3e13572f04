// Files of vectors, read record by record: what `import` and `bench` take in. By the name's ending:
//
//   .npy            rows x dimension of f2, f4, f8, i1 or u1, little-endian, C order (versions 1-3)
//   .fvecs .bvecs   rows of an int32 dimension and as many f4 or u1
//   .jsonl .ndjson  a record a line (ingest/vector_lines.h), with id and metadata
//
// The files are strangers' bytes. A message says which file, which row (counted from 0) or line
// (from 1), and at which byte. Memory is bounded by a row, or a line, whatever the file's size.
//
// Threads: one at a time. The file must not be cut short while it is read: that is an error, never
// a crash.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "format/metadata.h"

namespace kedge {

struct VectorRecord {
  // Of formats without ids, and of lines without one: the record's number from 0, in 12 digits.
  std::string id;
  std::vector<float> values;  // finite, as many as the input's dimension
  Metadata metadata;          // its limits are not checked
};

class VectorInput {
 public:
  static constexpr std::size_t kMaxLineBytes = std::size_t{4} << 20;

  // kNotFound, kDenied, kUnavailable: of the file. kUnsupported: another format, or a kind of .npy
  // that is not listed above. kInvalid: not what its name says, without a vector, of no whole
  // number of rows, of a dimension that is 0 or over kMaxDimension. The rows are checked by next().
  static Result<std::unique_ptr<VectorInput>> open(const std::string& path);

  virtual ~VectorInput() = default;
  [[nodiscard]] virtual std::uint32_t dimension() const = 0;
  // Nothing where only reading to the end can tell.
  [[nodiscard]] virtual std::optional<std::uint64_t> count() const = 0;

  // The next record into `record`, whose memory is used again; false at the end. kInvalid: a row of
  // another dimension, a value that is not finite (or does not fit f32), a line that is no record.
  // After an error the input is at no useful place.
  virtual Result<bool> next(VectorRecord& record) = 0;

  // `count` vectors (all, if there are fewer), drawn without replacement by `seed`, row-major in
  // the order of the file: to train on. Does not move next(). Of lines it reads the whole file.
  // Errors as next(), of the rows it looks at.
  virtual Result<std::vector<float>> sample(std::size_t count, std::uint64_t seed) = 0;
};

// Rows of ids, all of one width: the true neighbours of queries, nearest first.
struct IdRows {
  std::size_t rows = 0;
  std::size_t width = 0;
  std::vector<std::int32_t> ids;  // rows x width
};

inline constexpr std::uint64_t kMaxIdFileBytes = std::uint64_t{1} << 30;

// An .ivecs file: rows of an int32 width and as many int32. Every id is in [0, id_bound). kInvalid,
// naming row and byte, otherwise; kExhausted: over kMaxIdFileBytes; and the errors of the file.
Result<IdRows> read_ivecs(const std::string& path, std::uint64_t id_bound);

// What VectorRecord says of ids.
std::string row_id(std::uint64_t row);

}  // namespace kedge
