#include "format/segment_builder.h"

#include <algorithm>
#include <tuple>

#include "base/strings.h"
#include "format/page.h"

namespace kedge {
namespace {

// What an object takes in memory beside its texts and vectors, roughly.
constexpr std::uint64_t kObjectOverhead = sizeof(IndexedObject) + 64;
// Encoded at a time: enough for all threads, and little beside the vectors.
constexpr std::size_t kRowsAtOnce = 8192;

std::uint64_t memory_of(const IndexedObject& object) {
  const ObjectRow& row = object.row;
  std::uint64_t bytes = kObjectOverhead + row.key.size() + row.version_id.size() + row.tag.size() +
                        row.media_type.size() + row.charset.size() + row.title.size() +
                        row.reason.size() + object.chunks.capacity() * sizeof(ChunkRow) +
                        object.vectors.capacity() * sizeof(std::uint16_t);
  bytes += metadata_bytes(row.metadata) + row.metadata.size() * sizeof(Metadata::value_type);
  for (const ChunkRow& chunk : object.chunks) bytes += chunk.context.size();
  return bytes;
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
  return check_metadata(row.metadata);
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

SegmentBuilder::Built SegmentBuilder::finish(Id128 id, std::uint8_t level, RowCoder& coder) && {
  KEDGE_CHECK(!objects_.empty());
  std::vector<std::uint32_t> order(objects_.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto key = [&](std::uint32_t i) {
    return std::tie(objects_[i].row.source, objects_[i].row.key);
  };
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  // Memory takes every byte, and add() has kept both counts within a segment's.
  const auto must = [](const Status& status) { KEDGE_CHECK(status.ok()); };
  MemorySink sink;
  SegmentWriter writer(id, dimension_, sink);
  Built built;
  built.number_of.resize(order.size());
  std::vector<const std::uint16_t*> rows;
  std::uint64_t text_bytes = 0;
  for (const std::uint32_t i : order) {
    IndexedObject& object = objects_[i];
    for (const ChunkRow& chunk : object.chunks) text_bytes += sizeof chunk + chunk.context.size();
    built.number_of[i] = writer.objects();
    for (std::size_t at = 0; at < object.vectors.size(); at += dimension_)
      rows.push_back(object.vectors.data() + at);
    must(
        writer.add_object(std::move(object.row), static_cast<std::uint32_t>(object.chunks.size())));
  }
  if (!rows.empty()) {
    const std::uint32_t count = rows_;
    must(writer.begin_rows({&count, 1}));
    sink.reserve(writer.bytes() + text_bytes);
    const std::vector<std::uint16_t> centroid = coder.centroid(rows);
    must(writer.begin_list(centroid.data()));
    std::vector<CodedRow> coded;
    const auto write = [&] {
      coder.encode(centroid.data(), coded);
      for (const CodedRow& row : coded) must(writer.add_row(row));
      coded.clear();
    };
    std::size_t next = 0;
    for (std::uint32_t number = 0; number < order.size(); ++number) {
      const std::vector<ChunkRow>& chunks = objects_[order[number]].chunks;
      for (std::uint32_t c = 0; c < chunks.size(); ++c, ++next) {
        coded.push_back({.object = number,
                         .chunk = c,
                         .begin = chunks[c].begin,
                         .length = chunks[c].end - chunks[c].begin,
                         .values = rows[next]});
        if (coded.size() == kRowsAtOnce) write();
      }
    }
    write();
  }
  std::uint32_t row = 0;
  for (const std::uint32_t i : order) {
    for (ChunkRow& chunk : objects_[i].chunks) must(writer.add_chunk(std::move(chunk), row++));
  }
  Result<SegmentEntry> entry = std::move(writer).finish(space_, {}, level);
  KEDGE_CHECK(entry.ok());
  built.entry = *std::move(entry);
  built.file = std::move(sink).take();
  return built;
}

}  // namespace kedge
