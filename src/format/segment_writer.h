// Writing a segment, plane by plane, into a sink that takes bytes at any offset: memory for small
// ones, a file for those that memory does not hold. docs/format.md, "Segment".
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "format/segment.h"
#include "format/segment_pages.h"

namespace kedge {

class AttributesBuilder;  // format/attributes.h

// Where the bytes of a segment go.
class SegmentSink {
 public:
  virtual ~SegmentSink() = default;
  // Ranges are written once each, in any order, without gaps in the end. As a file's: kExhausted,
  // kUnavailable.
  virtual Status write(std::uint64_t offset, ByteView bytes) = 0;
};

class MemorySink final : public SegmentSink {
 public:
  Status write(std::uint64_t offset, ByteView bytes) override;
  // Room for so many bytes, of which each may be written at any time.
  void reserve(std::uint64_t bytes);
  Bytes take() && { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

// Calls, in order: add_object() for every object in key order; begin_rows(); for every list with
// rows begin_list() and add_row() for each of its rows; add_chunk() for every chunk in order of
// object; finish(). Memory: 16 bytes an object, the run of codes of one list, and one page of each
// plane; the directory, about 80 bytes for 128 objects and 4 for 32 rows. Until end_objects() also
// the attributes of every object, up to `attributes_bytes` and their pages once more: where they
// pass that, the segment gets no attributes plane, and filters read its docs pages.
class SegmentWriter {
 public:
  // `id`, not zero, names the file. `sink` outlives the writer.
  SegmentWriter(const Id128& id, std::uint32_t dimension, SegmentSink& sink,
                std::uint64_t attributes_bytes = kAttributesBytes);
  ~SegmentWriter();
  static constexpr std::uint64_t kAttributesBytes = 256ULL << 20;

  // kInvalid: too many objects or rows for one segment. Preconditions: check_object() accepts it;
  // (source, key) is above that of the object before.
  Status add_object(ObjectRow row, std::uint32_t chunk_count);
  [[nodiscard]] std::uint32_t objects() const { return directory_.objects; }
  [[nodiscard]] std::uint32_t rows() const { return directory_.rows; }
  // Of the file, as far as it is laid out.
  [[nodiscard]] std::uint64_t bytes() const { return end_; }
  // No object comes any more; begin_rows() and finish() do it too. Lets go of the attributes.
  // Precondition: at least one object.
  Status end_objects();
  // How many rows each list has; together rows(). One list: rows come in order of object and chunk.
  // kInvalid: a list whose run of codes would pass 4 GiB. Without rows there are no lists, whatever
  // is said.
  Status begin_rows(std::span<const std::uint32_t> rows_of_list);
  // `centroid`: padded() halves, finite.
  Status begin_list(const std::uint16_t* centroid);
  // Precondition: values and factors are finite.
  Status add_row(const CodedRow& row);
  // `row`: the number that its row got. Precondition: check_chunk() accepts it.
  Status add_chunk(ChunkRow chunk, std::uint32_t row);
  // Precondition: at least one object, and as many rows and chunks as were announced. `tree`: zero
  // for a segment of one list; a segment without rows names none.
  Result<SegmentEntry> finish(const Id128& space, const Id128& tree, std::uint8_t level) &&;

 private:
  Status append(std::vector<PageRef>& pages, const Bytes& page);
  Status end_docs_page();
  Status put_attributes();
  Status end_list();
  Status end_refine_block();
  Status end_vector_block();
  Status end_text_page();

  Id128 id_;
  SegmentSink& sink_;
  SegmentDirectory directory_;
  SegmentEntry entry_;
  std::uint64_t end_ = 0;  // of what has been laid out: docs and keys, then rows, then text
  std::vector<Id128> hashes_;
  std::unique_ptr<AttributesBuilder> attributes_;  // null where they are too many
  std::uint64_t attributes_bytes_;
  std::string last_key_;
  std::vector<DocsEntry> docs_page_;
  std::uint32_t announced_ = 0;  // rows, by the objects so far
  std::uint32_t list_ = 0;       // the next list
  std::uint32_t row_ = 0;        // the next row
  std::uint32_t list_row_ = 0;   // the next row in the list
  Bytes run_;                    // of the list that is being written
  Bytes refine_block_;
  std::vector<VectorRow> vector_block_;  // values point into vector_values_
  std::vector<std::uint16_t> vector_values_;
  std::vector<TextEntry> text_page_;
  std::uint32_t chunk_ = 0;  // the next chunk
};

}  // namespace kedge
