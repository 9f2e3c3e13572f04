// Builds a segment of one list in memory, from objects in any order. Larger ones, of the lists of a
// tree, are made by engine/rebuild.h.
#pragma once

#include <cstdint>
#include <vector>

#include "format/segment_writer.h"

namespace kedge {

// Makes the codes of rows: engine/row_coder.h. What it hands out is its own until the next call.
class RowCoder {
 public:
  virtual ~RowCoder() = default;
  // The middle of the rows, in rotated space: padded() halves, finite.
  virtual std::vector<std::uint16_t> centroid(std::span<const std::uint16_t* const> rows) = 0;
  // Sets bits, extra and factors of rows that have their values.
  virtual void encode(const std::uint16_t* centroid, std::span<CodedRow> rows) = 0;
};

// Memory: what was added, plus the file at finish().
class SegmentBuilder {
 public:
  SegmentBuilder(std::uint32_t dimension, Id128 space);
  // Room for so many objects.
  void reserve(std::size_t objects) { objects_.reserve(objects); }
  // kInvalid: a limit of format/rows.h, a vector with NaN or infinity, or vectors of the wrong
  // size: names the key.
  Status add(IndexedObject object);
  [[nodiscard]] std::uint32_t objects() const;
  [[nodiscard]] std::uint32_t rows() const;
  [[nodiscard]] std::uint64_t memory_bytes() const;

  struct Built {
    Bytes file;
    SegmentEntry entry;                    // without deletes
    std::vector<std::uint32_t> number_of;  // object number by the order of add()
  };
  // Preconditions: at least one object; no two of the same (source, key). `id`, not zero, names the
  // file.
  Built finish(Id128 id, std::uint8_t level, RowCoder& coder) &&;

 private:
  std::uint32_t dimension_;
  Id128 space_;
  std::vector<IndexedObject> objects_;
  std::uint32_t rows_ = 0;
  std::uint64_t memory_bytes_ = 0;
};

}  // namespace kedge
