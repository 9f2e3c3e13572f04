#include <algorithm>
#include <tuple>

#include "base/strings.h"
#include "format/page.h"
#include "format/segment_pages.h"

namespace kedge {
namespace {

// What an object takes in memory beside its texts and vectors, roughly.
constexpr std::uint64_t kObjectOverhead = sizeof(IndexedObject) + 64;

std::uint64_t memory_of(const IndexedObject& object) {
  const ObjectRow& row = object.row;
  std::uint64_t bytes = kObjectOverhead + row.key.size() + row.version_id.size() + row.tag.size() +
                        row.media_type.size() + row.charset.size() + row.title.size() +
                        row.reason.size() + object.chunks.capacity() * sizeof(ChunkRow) +
                        object.vectors.capacity() * sizeof(std::uint16_t);
  for (const auto& [name, value] : row.metadata)
    bytes += 2 * sizeof(std::string) + name.size() + value.size();
  for (const ChunkRow& chunk : object.chunks) bytes += chunk.context.size();
  return bytes;
}

// One segment while it is written: the file so far, and its directory.
class Writing {
 public:
  Writing(std::vector<IndexedObject> objects, std::uint32_t dimension, std::uint32_t rows)
      : objects_(std::move(objects)) {
    directory_.objects = static_cast<std::uint32_t>(objects_.size());
    directory_.rows = rows;
    directory_.dimension = dimension;
    // The vectors are nearly all of a segment.
    out_.reserve(std::size_t{rows} * (2 * std::size_t{dimension} + 80) + objects_.size() * 256);
  }

  // In the order of the planes. The docs plane comes last of what reads the rows: it takes them.
  SegmentBuilder::Built write(const Id128& id, const Id128& space, std::uint8_t level);

 private:
  void add_page(std::vector<PageRef>& pages, const Bytes& page);
  void write_docs();
  void write_text();
  void write_keys();
  void write_vectors();

  std::vector<IndexedObject> objects_;  // by number
  std::vector<Id128> hashes_;
  SegmentDirectory directory_;
  ByteWriter out_;
};

void Writing::add_page(std::vector<PageRef>& pages, const Bytes& page) {
  pages.push_back({.offset = out_.size(),
                   .size = static_cast<std::uint32_t>(page.size()),
                   .crc = crc32c(page)});
  out_.put_bytes(page);
}

void Writing::write_docs() {
  std::vector<DocsEntry> page;
  std::uint32_t chunk = 0;
  for (std::uint32_t number = 0; number < directory_.objects; ++number) {
    IndexedObject& object = objects_[number];
    hashes_.push_back(object_key_hash(object.row.source, object.row.key));
    if (page.empty()) {
      directory_.first_chunk_of_page.push_back(chunk);
      directory_.first_key_of_page.push_back(key_bound(object.row.source, object.row.key));
    }
    const auto chunks = static_cast<std::uint32_t>(object.chunks.size());
    page.push_back({.row = std::move(object.row), .first_chunk = chunk, .chunk_count = chunks});
    chunk += chunks;
    if (page.size() == kDocsPageObjects || number + 1 == directory_.objects) {
      const auto first = number + 1 - static_cast<std::uint32_t>(page.size());
      add_page(directory_.docs, encode_docs_page(first, page));
      page.clear();
    }
  }
}

void Writing::write_text() {
  std::vector<TextEntry> page;
  std::uint32_t number = 0;
  for (IndexedObject& object : objects_) {
    for (ChunkRow& chunk : object.chunks) {
      page.push_back({.chunk = std::move(chunk), .row = number++});
      if (page.size() < kTextPageChunks && number < directory_.rows) continue;
      const auto first = number - static_cast<std::uint32_t>(page.size());
      add_page(directory_.text, encode_text_page(first, page));
      page.clear();
    }
  }
}

void Writing::write_keys() {
  std::vector<std::uint32_t> sizes;
  const Bytes plane = encode_keys_plane(hashes_, sizes);
  std::size_t at = 0;
  for (const std::uint32_t size : sizes) {
    const ByteView page = ByteView(plane).subspan(at, size);
    directory_.keys.push_back({.offset = out_.size() + at, .size = size, .crc = crc32c(page)});
    at += size;
  }
  out_.put_bytes(plane);
}

void Writing::write_vectors() {
  std::vector<VectorRow> block;
  std::uint32_t row = 0;
  for (std::uint32_t number = 0; number < directory_.objects; ++number) {
    const IndexedObject& object = objects_[number];
    for (std::uint32_t chunk = 0; chunk < object.chunks.size(); ++chunk) {
      const std::size_t at = std::size_t{chunk} * directory_.dimension;
      block.push_back({.object = number, .chunk = chunk, .values = object.vectors.data() + at});
      if (++row < directory_.rows && block.size() < kVectorBlockRows) continue;
      const auto first = row - static_cast<std::uint32_t>(block.size());
      add_page(directory_.vectors, encode_vector_block(first, directory_.dimension, block));
      block.clear();
    }
  }
}

SegmentBuilder::Built Writing::write(const Id128& id, const Id128& space, std::uint8_t level) {
  SegmentBuilder::Built built;
  SegmentEntry& entry = built.entry;
  entry.id = id;
  entry.objects = directory_.objects;
  entry.rows = directory_.rows;
  entry.level = level;
  entry.space = space;
  entry.lower = key_bound(objects_.front().row.source, objects_.front().row.key);
  entry.upper = key_bound(objects_.back().row.source, objects_.back().row.key);

  out_.put_bytes(encode_segment_header(id));
  write_docs();
  write_text();
  write_keys();
  write_vectors();
  for (const Plane plane : {Plane::kDocs, Plane::kText, Plane::kKeys, Plane::kVectors})
    entry.planes[static_cast<std::size_t>(plane)] = directory_.plane(plane);
  const Bytes directory = directory_.encode();
  entry.directory_crc = crc32c(directory);
  entry.planes[static_cast<std::size_t>(Plane::kDirectory)] = {out_.size(), directory.size()};
  out_.put_bytes(directory);
  entry.bytes = out_.size() + kSegmentTailBytes;
  out_.put_bytes(encode_segment_tail(entry));
  built.file = std::move(out_).take();
  return built;
}

}  // namespace

std::string key_bound(std::uint32_t source, std::string_view key) {
  std::string bound;
  for (int shift = 24; shift >= 0; shift -= 8)
    bound += static_cast<char>(static_cast<unsigned char>(source >> shift));
  bound += key.substr(0, kMaxBound - bound.size());
  return bound;
}

Status check_object(const ObjectRow& row) {
  if (row.key.empty() || row.key.size() > kMaxObjectKey)
    return {Code::kInvalid, "key is empty or too long"};
  const struct {
    std::string_view name;
    const std::string& text;
  } fields[] = {{"version id", row.version_id}, {"tag", row.tag},
                {"media type", row.media_type}, {"charset", row.charset},
                {"title", row.title},           {"reason", row.reason}};
  for (const auto& [name, text] : fields) {
    if (text.size() > kMaxField)
      return {Code::kInvalid, str_cat(name, " has ", text.size(), " bytes, over ", kMaxField)};
  }
  if (row.status < ObjectStatus::kIndexed || row.status > ObjectStatus::kAbsent)
    return {Code::kInvalid, "unknown status"};
  if (row.metadata.size() > kMaxMetadata)
    return {Code::kInvalid, str_cat("metadata has over ", kMaxMetadata, " names")};
  for (std::size_t i = 0; i < row.metadata.size(); ++i) {
    const auto& [name, value] = row.metadata[i];
    if (name.size() > kMaxField || value.size() > kMaxField)
      return {Code::kInvalid, "a name or value of the metadata is too long"};
    if (i > 0 && row.metadata[i - 1].first >= name)
      return {Code::kInvalid, "names of the metadata are not increasing"};
  }
  return {};
}

Status check_chunk(const ChunkRow& chunk) {
  if (chunk.begin > chunk.end) return {Code::kInvalid, "begins behind its end"};
  if (chunk.line_first > chunk.line_last) return {Code::kInvalid, "first line behind the last"};
  if (chunk.row_first > chunk.row_last) return {Code::kInvalid, "first record behind the last"};
  if (chunk.context.size() > kMaxField) return {Code::kInvalid, "context is too long"};
  return {};
}

SegmentBuilder::SegmentBuilder(std::uint32_t dimension, Id128 space)
    : dimension_(dimension), space_(space) {
  KEDGE_CHECK(dimension >= 1 && dimension <= kMaxDimension && !space.is_zero());
}

Status SegmentBuilder::add(IndexedObject object) {
  const auto refuse = [&](std::string_view why) {
    return Error{Code::kInvalid, str_cat("object '", printable(object.row.key), "': ", why)};
  };
  if (const Status status = check_object(object.row); !status.ok())
    return refuse(status.error().message);
  if (object.chunks.size() > kMaxChunksPerObject) return refuse("too many chunks");
  if (objects_.size() >= kMaxSegmentObjects) return refuse("too many objects in a segment");
  if (object.chunks.size() > kMaxSegmentRows - rows_) return refuse("too many rows in a segment");
  for (std::size_t i = 0; i < object.chunks.size(); ++i) {
    if (const Status status = check_chunk(object.chunks[i]); !status.ok())
      return refuse(str_cat("chunk ", i, ": ", status.error().message));
  }
  if (object.vectors.size() != object.chunks.size() * dimension_)
    return refuse(str_cat("has ", object.vectors.size(), " values for ", object.chunks.size(),
                          " chunks of ", dimension_, " dimensions"));
  if (!all_finite(std::as_bytes(std::span(object.vectors))))
    return refuse("a vector has a value that is NaN or infinite");
  rows_ += static_cast<std::uint32_t>(object.chunks.size());
  memory_bytes_ += memory_of(object);
  objects_.push_back(std::move(object));
  return {};
}

std::uint32_t SegmentBuilder::objects() const {
  return static_cast<std::uint32_t>(objects_.size());
}
std::uint32_t SegmentBuilder::rows() const { return rows_; }
std::uint64_t SegmentBuilder::memory_bytes() const { return memory_bytes_; }

SegmentBuilder::Built SegmentBuilder::finish(Id128 id, std::uint8_t level) && {
  KEDGE_CHECK(!objects_.empty() && !id.is_zero() && level <= kMaxLevel);
  std::vector<std::uint32_t> order(objects_.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto key = [&](std::uint32_t i) {
    return std::tie(objects_[i].row.source, objects_[i].row.key);
  };
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  std::vector<std::uint32_t> number_of(order.size());
  std::vector<IndexedObject> sorted;
  sorted.reserve(order.size());
  for (std::uint32_t number = 0; number < order.size(); ++number) {
    if (number > 0) KEDGE_CHECK(key(order[number - 1]) < key(order[number]));
    number_of[order[number]] = number;
  }
  for (const std::uint32_t i : order) sorted.push_back(std::move(objects_[i]));
  objects_.clear();
  Built built = Writing(std::move(sorted), dimension_, rows_).write(id, space_, level);
  built.number_of = std::move(number_of);
  return built;
}

}  // namespace kedge
