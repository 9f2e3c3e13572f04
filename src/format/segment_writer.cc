#include "format/segment_writer.h"

#include <algorithm>
#include <numeric>

#include "base/memory.h"
#include "base/strings.h"
#include "format/attributes.h"
#include "format/page.h"

namespace kedge {
namespace {

// (source, key) whole, in the order of segments.
std::string order_key(const ObjectRow& row) {
  std::string key;
  for (int shift = 24; shift >= 0; shift -= 8)
    key += static_cast<char>(static_cast<unsigned char>(row.source >> shift));
  return key += row.key;
}

}  // namespace

Status MemorySink::write(std::uint64_t offset, ByteView bytes) {
  if (bytes_.size() < offset + bytes.size()) bytes_.resize(offset + bytes.size());
  std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
  return {};
}

void MemorySink::reserve(std::uint64_t bytes) {
  bytes_.reserve(bytes);
  prefer_huge_pages(bytes_.data(), bytes);
}

SegmentWriter::SegmentWriter(const Id128& id, std::uint32_t dimension, SegmentSink& sink,
                             std::uint64_t attributes_bytes)
    : id_(id),
      sink_(sink),
      attributes_(std::make_unique<AttributesBuilder>()),
      attributes_bytes_(attributes_bytes) {
  KEDGE_CHECK(!id.is_zero() && dimension >= 1 && dimension <= kMaxDimension);
  directory_.dimension = dimension;
}

SegmentWriter::~SegmentWriter() = default;

// The next page behind everything before it.
Status SegmentWriter::append(std::vector<PageRef>& pages, const Bytes& page) {
  pages.push_back(
      {.offset = end_, .size = static_cast<std::uint32_t>(page.size()), .crc = crc32c(page)});
  end_ += page.size();
  return sink_.write(pages.back().offset, page);
}

// ---- objects

Status SegmentWriter::add_object(ObjectRow row, std::uint32_t chunk_count) {
  KEDGE_CHECK(directory_.lists.empty() && directory_.keys.empty());
  if (directory_.objects >= kMaxSegmentObjects)
    return {Code::kInvalid, "too many objects in a segment"};
  if (chunk_count > kMaxSegmentRows - announced_)
    return {Code::kInvalid, "too many rows in a segment"};
  if (directory_.objects == 0) {
    const Bytes header = encode_segment_header(id_);
    end_ = header.size();
    KEDGE_TRY(sink_.write(0, header));
  }
  std::string key = order_key(row);
  KEDGE_CHECK(directory_.objects == 0 || last_key_ < key);
  last_key_ = std::move(key);
  hashes_.push_back(object_key_hash(row.source, row.key));
  entry_.upper = key_bound(row.source, row.key);
  if (directory_.objects == 0) entry_.lower = entry_.upper;
  if (docs_page_.empty()) {
    directory_.first_chunk_of_page.push_back(announced_);
    directory_.first_key_of_page.push_back(entry_.upper);
  }
  if (attributes_ != nullptr) {
    attributes_->add(directory_.objects, row);
    if (attributes_->memory_bytes() > attributes_bytes_) attributes_.reset();
  }
  docs_page_.push_back(
      {.row = std::move(row), .first_chunk = announced_, .chunk_count = chunk_count});
  ++directory_.objects;
  announced_ += chunk_count;
  directory_.rows = announced_;
  return docs_page_.size() == kDocsPageObjects ? end_docs_page() : Status();
}

Status SegmentWriter::end_docs_page() {
  if (docs_page_.empty()) return {};
  const auto first = directory_.objects - static_cast<std::uint32_t>(docs_page_.size());
  const Bytes page = encode_docs_page(first, docs_page_);
  docs_page_.clear();
  return append(directory_.docs, page);
}

// Behind the last object: the planes of keys and of attributes.
Status SegmentWriter::end_objects() {
  if (!directory_.keys.empty()) return {};
  KEDGE_CHECK(directory_.objects > 0);
  KEDGE_TRY(end_docs_page());
  KEDGE_TRY(encode_keys_pages(hashes_,
                              [this](const Bytes& page) { return append(directory_.keys, page); }));
  hashes_ = {};
  return put_attributes();
}

Status SegmentWriter::put_attributes() {
  if (attributes_ == nullptr) return {};
  AttributesBuilder::Plane plane = std::move(*attributes_).finish();
  attributes_.reset();
  for (const Bytes& page : plane.pages) KEDGE_TRY(append(directory_.attributes, page));
  directory_.first_key_of_attributes_page = std::move(plane.first_keys);
  return {};
}

// ---- rows

// The three planes of rows have known sizes: they get their places here, and their bytes as the
// rows come.
Status SegmentWriter::begin_rows(std::span<const std::uint32_t> rows_of_list) {
  KEDGE_TRY(end_objects());
  KEDGE_CHECK(directory_.lists.empty() && rows_of_list.size() <= kMaxLists);
  std::uint64_t rows = 0;
  for (const std::uint32_t count : rows_of_list) {
    if (code_list_bytes(count, directory_.padded()) > UINT32_MAX)
      return {Code::kInvalid, str_cat("a list of ", count, " rows is too large")};
    directory_.lists.push_back(
        {.first_row = static_cast<std::uint32_t>(rows), .rows = count, .offset = end_, .crc = 0});
    rows += count;
    end_ += code_list_bytes(count, directory_.padded());
  }
  KEDGE_CHECK(rows == announced_);
  if (rows == 0) directory_.lists.clear();
  for (std::uint32_t row = 0; row < rows; row += kCodeBlockRows) {
    const auto size =
        refine_block_bytes(std::min(kCodeBlockRows, directory_.rows - row), directory_.padded());
    directory_.refine.push_back({.offset = end_, .size = static_cast<std::uint32_t>(size)});
    end_ += size;
  }
  for (std::uint32_t row = 0; row < rows; row += kVectorBlockRows) {
    const auto size =
        vector_block_bytes(std::min(kVectorBlockRows, directory_.rows - row), directory_.dimension);
    directory_.vectors.push_back({.offset = end_, .size = static_cast<std::uint32_t>(size)});
    end_ += size;
  }
  vector_values_.resize(std::size_t{kVectorBlockRows} * directory_.dimension);
  vector_block_.reserve(kVectorBlockRows);
  return {};
}

Status SegmentWriter::begin_list(const std::uint16_t* centroid) {
  while (list_ < directory_.lists.size() && directory_.lists[list_].rows == 0) ++list_;
  KEDGE_CHECK(list_ < directory_.lists.size() && run_.empty());
  const std::uint32_t padded = directory_.padded();
  run_.assign(code_list_bytes(directory_.lists[list_].rows, padded), std::byte{0});
  std::memcpy(run_.data(), centroid, 2 * std::size_t{padded});
  return {};
}

Status SegmentWriter::add_row(const CodedRow& row) {
  KEDGE_CHECK(!run_.empty() && row.object < directory_.objects);
  const std::uint32_t padded = directory_.padded();
  const std::uint32_t slot = list_row_ % kCodeBlockRows;
  std::byte* block =
      run_.data() + 2 * std::size_t{padded} + list_row_ / kCodeBlockRows * code_block_bytes(padded);
  put_code(block, padded, slot, row);
  const std::size_t at = refine_block_.size();
  refine_block_.resize(at + refine_row_bytes(padded));
  put_refine(refine_block_.data() + at, padded, row);
  std::uint16_t* const to = vector_values_.data() + vector_block_.size() * directory_.dimension;
  std::copy_n(row.values, directory_.dimension, to);
  vector_block_.push_back({.object = row.object, .chunk = row.chunk, .values = to});
  ++row_;
  ++list_row_;
  if (row_ % kCodeBlockRows == 0 || row_ == directory_.rows) KEDGE_TRY(end_refine_block());
  if (row_ % kVectorBlockRows == 0 || row_ == directory_.rows) KEDGE_TRY(end_vector_block());
  return list_row_ == directory_.lists[list_].rows ? end_list() : Status();
}

Status SegmentWriter::end_list() {
  ListRef& list = directory_.lists[list_];
  list.crc = crc32c(run_);
  ++list_;
  list_row_ = 0;
  KEDGE_TRY(sink_.write(list.offset, run_));
  run_.clear();
  return {};
}

Status SegmentWriter::end_refine_block() {
  PageRef& page = directory_.refine[(row_ - 1) / kCodeBlockRows];
  refine_block_.resize(page.size);
  page.crc = crc32c(refine_block_);
  KEDGE_TRY(sink_.write(page.offset, refine_block_));
  refine_block_.clear();
  return {};
}

Status SegmentWriter::end_vector_block() {
  PageRef& page = directory_.vectors[(row_ - 1) / kVectorBlockRows];
  const auto first = row_ - static_cast<std::uint32_t>(vector_block_.size());
  const Bytes bytes = encode_vector_block(first, directory_.dimension, vector_block_);
  vector_block_.clear();
  page.crc = crc32c(bytes);
  return sink_.write(page.offset, bytes);
}

// ---- chunks

Status SegmentWriter::add_chunk(ChunkRow chunk, std::uint32_t row) {
  KEDGE_CHECK(chunk_ < directory_.rows && row < directory_.rows);
  text_page_.push_back({.chunk = std::move(chunk), .row = row});
  ++chunk_;
  return text_page_.size() == kTextPageChunks ? end_text_page() : Status();
}

Status SegmentWriter::end_text_page() {
  if (text_page_.empty()) return {};
  const auto first = chunk_ - static_cast<std::uint32_t>(text_page_.size());
  const Bytes page = encode_text_page(first, text_page_);
  text_page_.clear();
  return append(directory_.text, page);
}

Result<SegmentEntry> SegmentWriter::finish(const Id128& space, const Id128& tree,
                                           std::uint8_t level) && {
  KEDGE_TRY(end_objects());
  KEDGE_CHECK(row_ == directory_.rows && chunk_ == directory_.rows && level <= kMaxLevel);
  KEDGE_TRY(end_text_page());
  entry_.id = id_;
  entry_.objects = directory_.objects;
  entry_.rows = directory_.rows;
  entry_.level = level;
  entry_.space = space;
  entry_.tree = directory_.lists.empty() ? Id128{} : tree;
  for (const Plane plane : kSegmentPlanes)
    entry_.planes[static_cast<std::size_t>(plane)] = directory_.plane(plane);
  const Bytes directory = directory_.encode();
  entry_.directory_crc = crc32c(directory);
  entry_.planes[static_cast<std::size_t>(Plane::kDirectory)] = {end_, directory.size()};
  KEDGE_TRY(sink_.write(end_, directory));
  end_ += directory.size();
  entry_.bytes = end_ + kSegmentTailBytes;
  KEDGE_TRY(sink_.write(end_, encode_segment_tail(entry_)));
  return std::move(entry_);
}

}  // namespace kedge
