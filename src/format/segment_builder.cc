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
  KEDGE_CHECK(!objects_.empty());
  std::vector<std::uint32_t> order(objects_.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto key = [&](std::uint32_t i) {
    return std::tie(objects_[i].row.source, objects_[i].row.key);
  };
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  // The vectors are nearly all of a segment.
  SegmentWriter writer(
      id, dimension_,
      std::uint64_t{rows_} * (2 * std::uint64_t{dimension_} + 80) + objects_.size() * 256);
  std::vector<std::uint32_t> number_of(order.size());
  for (const std::uint32_t i : order) {
    number_of[i] = writer.objects();
    const Status added = writer.add(std::move(objects_[i].row), objects_[i].chunks);
    KEDGE_CHECK(added.ok());  // add() has kept both counts within a segment's
  }
  for (std::uint32_t number = 0; number < order.size(); ++number) {
    const IndexedObject& object = objects_[order[number]];
    for (std::uint32_t chunk = 0; chunk < object.chunks.size(); ++chunk) {
      const std::size_t at = std::size_t{chunk} * dimension_;
      writer.add_vector(number, chunk, object.vectors.data() + at);
    }
  }
  Built built = std::move(writer).finish(space_, level);
  built.number_of = std::move(number_of);
  return built;
}

}  // namespace kedge
