#include <algorithm>

#include "base/strings.h"
#include "format/page.h"
#include "format/segment_pages.h"

namespace kedge {
namespace {

// (source, key) whole, in the order of segments.
std::string order_key(const ObjectRow& row) {
  std::string key;
  for (int shift = 24; shift >= 0; shift -= 8)
    key += static_cast<char>(static_cast<unsigned char>(row.source >> shift));
  return key += row.key;
}

// Writes a page behind the others; its offset is that in `out`.
void add_page(std::vector<PageRef>& pages, ByteWriter& out, const Bytes& page) {
  pages.push_back(
      {.offset = out.size(), .size = static_cast<std::uint32_t>(page.size()), .crc = crc32c(page)});
  out.put_bytes(page);
}

}  // namespace

SegmentWriter::SegmentWriter(const Id128& id, std::uint32_t dimension, std::uint64_t expected_bytes)
    : id_(id) {
  KEDGE_CHECK(!id.is_zero() && dimension >= 1 && dimension <= kMaxDimension);
  directory_.dimension = dimension;
  out_.reserve(expected_bytes);
  out_.put_bytes(encode_segment_header(id));
  block_.reserve(kVectorBlockRows);
  block_values_.resize(std::size_t{kVectorBlockRows} * dimension);
}

Status SegmentWriter::add(ObjectRow row, std::span<ChunkRow> chunks) {
  KEDGE_CHECK(!objects_ended_);
  if (directory_.objects >= kMaxSegmentObjects)
    return {Code::kInvalid, "too many objects in a segment"};
  if (chunks.size() > kMaxSegmentRows - directory_.rows)
    return {Code::kInvalid, "too many rows in a segment"};
  std::string key = order_key(row);
  KEDGE_CHECK(directory_.objects == 0 || last_key_ < key);
  last_key_ = std::move(key);
  hashes_.push_back(object_key_hash(row.source, row.key));
  entry_.upper = key_bound(row.source, row.key);
  if (directory_.objects == 0) entry_.lower = entry_.upper;
  if (docs_page_.empty()) {
    directory_.first_chunk_of_page.push_back(directory_.rows);
    directory_.first_key_of_page.push_back(entry_.upper);
  }
  docs_page_.push_back({.row = std::move(row),
                        .first_chunk = directory_.rows,
                        .chunk_count = static_cast<std::uint32_t>(chunks.size())});
  ++directory_.objects;
  if (docs_page_.size() == kDocsPageObjects) end_docs_page();
  for (ChunkRow& chunk : chunks) {
    text_page_.push_back({.chunk = std::move(chunk), .row = directory_.rows++});
    if (text_page_.size() == kTextPageChunks) end_text_page();
  }
  return {};
}

void SegmentWriter::end_docs_page() {
  if (docs_page_.empty()) return;
  const auto first = directory_.objects - static_cast<std::uint32_t>(docs_page_.size());
  add_page(directory_.docs, out_, encode_docs_page(first, docs_page_));
  docs_page_.clear();
}

// Offsets of text pages are those in the plane, until the plane has its place.
void SegmentWriter::end_text_page() {
  if (text_page_.empty()) return;
  const auto first = directory_.rows - static_cast<std::uint32_t>(text_page_.size());
  add_page(directory_.text, text_, encode_text_page(first, text_page_));
  text_page_.clear();
}

void SegmentWriter::end_objects() {
  if (objects_ended_) return;
  objects_ended_ = true;
  end_docs_page();
  end_text_page();
  for (PageRef& page : directory_.text) page.offset += out_.size();
  out_.put_bytes(text_.view());
  text_ = ByteWriter();
  std::vector<std::uint32_t> sizes;
  const Bytes keys = encode_keys_plane(hashes_, sizes);
  hashes_ = {};
  std::size_t at = 0;
  for (const std::uint32_t size : sizes) {
    const ByteView page = ByteView(keys).subspan(at, size);
    directory_.keys.push_back({.offset = out_.size() + at, .size = size, .crc = crc32c(page)});
    at += size;
  }
  out_.put_bytes(keys);
}

void SegmentWriter::add_vector(std::uint32_t object, std::uint32_t chunk,
                               const std::uint16_t* values) {
  end_objects();
  KEDGE_CHECK(vectors_ < directory_.rows);
  std::uint16_t* const to = block_values_.data() + block_.size() * directory_.dimension;
  std::copy_n(values, directory_.dimension, to);
  block_.push_back({.object = object, .chunk = chunk, .values = to});
  ++vectors_;
  if (block_.size() == kVectorBlockRows) end_vector_block();
}

void SegmentWriter::end_vector_block() {
  if (block_.empty()) return;
  const auto first = vectors_ - static_cast<std::uint32_t>(block_.size());
  add_page(directory_.vectors, out_, encode_vector_block(first, directory_.dimension, block_));
  block_.clear();
}

BuiltSegment SegmentWriter::finish(const Id128& space, std::uint8_t level) && {
  end_objects();
  KEDGE_CHECK(directory_.objects > 0 && vectors_ == directory_.rows && level <= kMaxLevel);
  end_vector_block();
  entry_.id = id_;
  entry_.objects = directory_.objects;
  entry_.rows = directory_.rows;
  entry_.level = level;
  entry_.space = space;
  for (const Plane plane : {Plane::kDocs, Plane::kText, Plane::kKeys, Plane::kVectors})
    entry_.planes[static_cast<std::size_t>(plane)] = directory_.plane(plane);
  const Bytes directory = directory_.encode();
  entry_.directory_crc = crc32c(directory);
  entry_.planes[static_cast<std::size_t>(Plane::kDirectory)] = {out_.size(), directory.size()};
  out_.put_bytes(directory);
  entry_.bytes = out_.size() + kSegmentTailBytes;
  out_.put_bytes(encode_segment_tail(entry_));
  return {.file = std::move(out_).take(), .entry = std::move(entry_), .number_of = {}};
}

}  // namespace kedge
