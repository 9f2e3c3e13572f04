// Seeded objects, segments and states for the tests of this folder, its golden files and the seeds
// of its fuzzers.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/strings.h"
#include "format/index_state.h"
#include "format/segment.h"
#include "format/segment_builder.h"
#include "format/segment_pages.h"

namespace kedge::test {

inline std::string random_text(Random& random, std::size_t max_size) {
  std::string text(random.below(max_size + 1), ' ');
  for (char& c : text) c = static_cast<char>(random.below(256));
  return text;
}

inline Id128 number_id(std::uint8_t number) {
  Id128 id;
  id.bytes.fill(static_cast<std::byte>(number));
  return id;
}

// A finite IEEE half.
inline std::uint16_t random_half(Random& random) {
  return static_cast<std::uint16_t>(random.below(2) << 15 | random.below(0x7C00));
}

inline Timestamp random_time(Random& random) {
  return {static_cast<std::int64_t>(random.next()) >> random.below(64)};
}

inline MetadataScalar random_scalar_value(Random& random) {
  switch (random.below(4)) {
    case 0:
      return random.below(2) == 0;
    case 1:
      return static_cast<double>(static_cast<std::int64_t>(random.next()) >> random.below(64));
    case 2:
      return str_cat(random.below(100));
    default:
      return random_text(random, 9);
  }
}

inline MetadataValue random_value(Random& random) {
  MetadataList list;
  for (std::uint64_t i = random.below(4); i > 0; --i) list.push_back(random_scalar_value(random));
  if (list.size() != 1) return list;
  return std::visit([](auto&& one) { return MetadataValue(std::move(one)); }, std::move(list[0]));
}

inline ObjectRow random_row(Random& random, std::uint32_t source, std::string key) {
  ObjectRow row;
  row.source = source;
  row.key = std::move(key);
  row.version_id = random_text(random, 20);
  row.tag = random_text(random, 40);
  row.size = random.next() >> random.below(64);
  row.last_modified = random_time(random);
  row.read_time = random_time(random);
  row.racy = random.below(2) == 1;
  row.media_type = random.below(4) == 0 ? random_text(random, 8) : "text/plain";
  row.charset = random.below(4) == 0 ? "" : "UTF-8";
  row.title = random_text(random, 30);
  if (random.below(3) != 0) row.content_hash = sha256(as_bytes(row.title));
  row.recipe = number_id(static_cast<std::uint8_t>(random.below(3)));
  row.status = static_cast<ObjectStatus>(1 + random.below(5));
  row.reason = random_text(random, 10);
  row.attempts = static_cast<std::uint32_t>(random.next() >> (32 + random.below(32)));
  row.retry_after = random_time(random);
  for (std::uint64_t i = random.below(4); i > 0; --i)
    row.metadata.emplace_back(str_cat(9 - i, random_text(random, 5)), random_value(random));
  return row;
}

inline ChunkRow random_chunk(Random& random) {
  ChunkRow chunk;
  const auto range = [&](std::uint64_t& first, std::uint64_t& last) {
    first = random.next() >> random.below(64);
    last = first + random.below(100);
    if (last < first) last = first;
  };
  range(chunk.begin, chunk.end);
  range(chunk.line_first, chunk.line_last);
  range(chunk.row_first, chunk.row_last);
  chunk.chunk_hash = Id128::random(random);
  chunk.input_hash = Id128::random(random);
  chunk.context = random.below(3) == 0 ? random_text(random, 12) : "";
  return chunk;
}

inline IndexedObject random_object(Random& random, std::uint32_t source, std::string key,
                                   std::uint64_t chunks, std::uint32_t dimension) {
  IndexedObject object;
  object.row = random_row(random, source, std::move(key));
  for (std::uint64_t i = 0; i < chunks; ++i) object.chunks.push_back(random_chunk(random));
  object.vectors.resize(chunks * dimension);
  for (std::uint16_t& half : object.vectors) half = random_half(random);
  return object;
}

// `count` objects of distinct keys, in random order, with 0 to `max_chunks` chunks each.
inline std::vector<IndexedObject> random_objects(Random& random, std::size_t count,
                                                 std::uint64_t max_chunks,
                                                 std::uint32_t dimension) {
  std::vector<IndexedObject> objects;
  for (std::size_t i = 0; i < count; ++i) {
    // Long common beginnings, so that bounds are cut.
    const std::string key =
        str_cat(random.below(3) == 0 ? std::string(70, 'a') : "", i, random_text(random, 6));
    objects.push_back(random_object(random, static_cast<std::uint32_t>(1 + random.below(3)), key,
                                    random.below(max_chunks + 1), dimension));
  }
  for (std::size_t i = objects.size(); i > 1; --i)
    std::swap(objects[i - 1], objects[random.below(i)]);
  return objects;
}

// Codes that a reader takes for sound, and that a test can tell from each other: signs of the
// values, and factors made of them. Of what they mean ann/ and engine/ have their own tests.
class TestCoder final : public RowCoder {
 public:
  explicit TestCoder(std::uint32_t dimension) : dimension_(dimension) {}
  std::vector<std::uint16_t> centroid(std::span<const std::uint16_t* const> rows) override {
    std::vector<std::uint16_t> out(padded_dimension(dimension_));
    std::copy_n(rows.front(), dimension_, out.begin());
    return out;
  }
  void encode(const std::uint16_t*, std::span<CodedRow> rows) override {
    codes_.assign(rows.size(), {});
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const std::uint16_t* values = rows[r].values;
      codes_[r].bits.resize(padded_dimension(dimension_) / 8);
      codes_[r].extra.resize(padded_dimension(dimension_) / 2);
      for (std::uint32_t i = 0; i < dimension_; ++i) {
        if ((values[i] & 0x8000) == 0)
          codes_[r].bits[i / 8] |= static_cast<std::byte>(1U << (i % 8));
        codes_[r].extra[i / 2] |= static_cast<std::byte>((values[i] & 0xF) << (i % 2 * 4));
      }
      rows[r].bits = codes_[r].bits.data();
      rows[r].extra = codes_[r].extra.data();
      rows[r].add = 0.5F * static_cast<float>(values[0] & 0xFF);
      rows[r].rescale = 0xBC00;
      rows[r].error = 0x3800;
      rows[r].refine_add = rows[r].add + 1;
      rows[r].refine_rescale = -0.25F;
    }
  }

 private:
  struct Code {
    std::vector<std::byte> bits;
    std::vector<std::byte> extra;
  };
  std::uint32_t dimension_;
  std::vector<Code> codes_;
};

inline SegmentBuilder::Built build(const std::vector<IndexedObject>& objects,
                                   std::uint32_t dimension) {
  SegmentBuilder builder(dimension, number_id(0x55));
  for (const IndexedObject& object : objects) {
    const Status status = builder.add(object);
    KEDGE_CHECK(status.ok());
  }
  TestCoder coder(dimension);
  return std::move(builder).finish(number_id(0xAB), 1, coder);
}

// Sorted as a segment numbers them.
inline std::vector<IndexedObject> in_key_order(std::vector<IndexedObject> objects) {
  std::sort(objects.begin(), objects.end(), [](const IndexedObject& a, const IndexedObject& b) {
    return std::tie(a.row.source, a.row.key) < std::tie(b.row.source, b.row.key);
  });
  return objects;
}

// A segment of the lists of a tree: list_of[n] is the list of chunk n, by object. Rows of a list
// lie in falling order of their chunks, as no builder has them. Ends with the sink's first error.
inline Result<SegmentEntry> write_lists(
    const std::vector<IndexedObject>& sorted, std::uint32_t dimension, std::uint32_t lists,
    std::span<const std::uint32_t> list_of, SegmentSink& sink,
    std::uint64_t attributes_bytes = SegmentWriter::kAttributesBytes) {
  SegmentWriter writer(number_id(0xAB), dimension, sink, attributes_bytes);
  struct Place {
    std::uint32_t object, chunk;
  };
  std::vector<std::vector<Place>> rows(lists);
  std::size_t next = 0;
  for (std::uint32_t n = 0; n < sorted.size(); ++n) {
    const auto chunks = static_cast<std::uint32_t>(sorted[n].chunks.size());
    KEDGE_TRY(writer.add_object(sorted[n].row, chunks));
    for (std::uint32_t c = 0; c < chunks; ++c) rows[list_of[next++]].push_back({n, c});
  }
  std::vector<std::uint32_t> counts(lists);
  for (std::uint32_t l = 0; l < lists; ++l) counts[l] = static_cast<std::uint32_t>(rows[l].size());
  KEDGE_TRY(writer.begin_rows(counts));
  TestCoder coder(dimension);
  std::vector<std::vector<std::uint32_t>> row_of(sorted.size());
  for (std::uint32_t n = 0; n < sorted.size(); ++n) row_of[n].resize(sorted[n].chunks.size());
  std::uint32_t row_number = 0;
  for (std::vector<Place>& list : rows) {
    if (list.empty()) continue;
    std::reverse(list.begin(), list.end());
    const auto values = [&](const Place& place) {
      return sorted[place.object].vectors.data() + std::size_t{place.chunk} * dimension;
    };
    const std::uint16_t* first = values(list.front());
    const auto centroid = coder.centroid({&first, 1});
    KEDGE_TRY(writer.begin_list(centroid.data()));
    for (const Place& place : list) {
      const ChunkRow& chunk = sorted[place.object].chunks[place.chunk];
      CodedRow row{.object = place.object,
                   .chunk = place.chunk,
                   .begin = chunk.begin,
                   .length = chunk.end - chunk.begin,
                   .values = values(place)};
      coder.encode(centroid.data(), {&row, 1});
      KEDGE_TRY(writer.add_row(row));
      row_of[place.object][place.chunk] = row_number++;
    }
  }
  for (std::uint32_t n = 0; n < sorted.size(); ++n) {
    for (std::uint32_t c = 0; c < sorted[n].chunks.size(); ++c)
      KEDGE_TRY(writer.add_chunk(sorted[n].chunks[c], row_of[n][c]));
  }
  return std::move(writer).finish(number_id(0x55), number_id(0x77), 1);
}

// The same in memory: object n of `sorted` has number n.
inline SegmentBuilder::Built build_lists(const std::vector<IndexedObject>& sorted,
                                         std::uint32_t dimension, std::uint32_t lists,
                                         std::span<const std::uint32_t> list_of) {
  MemorySink sink;
  SegmentBuilder::Built built;
  built.entry = write_lists(sorted, dimension, lists, list_of, sink).value();
  built.file = std::move(sink).take();
  for (std::uint32_t n = 0; n < sorted.size(); ++n) built.number_of.push_back(n);
  return built;
}

// A list for each chunk, some lists without any where there are many.
inline std::vector<std::uint32_t> random_lists(Random& random,
                                               const std::vector<IndexedObject>& objects,
                                               std::uint32_t lists) {
  std::vector<std::uint32_t> list_of;
  for (const IndexedObject& object : objects) {
    for (std::size_t c = 0; c < object.chunks.size(); ++c)
      list_of.push_back(static_cast<std::uint32_t>(random.below(lists)));
  }
  return list_of;
}

// Three objects of two sources, four dimensions: every field is used somewhere. The golden segment.
inline std::vector<IndexedObject> small_objects() {
  std::vector<IndexedObject> objects(3);
  ObjectRow& notes = objects[0].row;
  notes.source = 1;
  notes.key = "notes/a.md";
  notes.version_id = "v7";
  notes.tag = "\"5d41402abc4b2a76\"";
  notes.size = 300;
  notes.last_modified = {1'700'000'000'000'000};
  notes.read_time = {1'700'000'100'000'000};
  notes.racy = true;
  notes.media_type = "text/markdown";
  notes.charset = "UTF-8";
  notes.title = "Anchors";
  notes.content_hash = sha256(as_bytes("notes"));
  notes.recipe = number_id(0x11);
  notes.metadata = {{"draft", true}, {"lang", "en"}, {"owner", "harbour"}};
  ChunkRow first{.begin = 0,
                 .end = 180,
                 .line_first = 1,
                 .line_last = 9,
                 .row_first = 0,
                 .row_last = 0,
                 .chunk_hash = number_id(0x21),
                 .input_hash = number_id(0x22),
                 .context = ""};
  ChunkRow second = first;
  second.begin = 160;
  second.end = 300;
  second.line_first = 8;
  second.line_last = 15;
  second.chunk_hash = number_id(0x23);
  objects[0].chunks = {first, second};
  objects[0].vectors = {0x3C00, 0x0000, 0xBC00, 0x3800, 0x0001, 0x7BFF, 0x8000, 0x3555};
  ObjectRow& broken = objects[1].row;
  broken.source = 1;
  broken.key = "notes/b.json";
  broken.tag = "\"0\"";
  broken.size = 12;
  broken.last_modified = {-1};
  broken.media_type = "application/json";
  broken.recipe = number_id(0x11);
  broken.status = ObjectStatus::kFailed;
  broken.reason = "not JSON at offset 3";
  broken.attempts = 2;
  broken.retry_after = {1'700'000'200'000'000};
  ObjectRow& table = objects[2].row;
  table.source = 2;
  table.key = "t.csv";
  table.tag = "t";
  table.size = 64;
  table.media_type = "text/csv";
  table.charset = "UTF-8";
  table.content_hash = sha256(as_bytes("table"));
  table.recipe = number_id(0x12);
  ChunkRow record = first;
  record.begin = 8;
  record.end = 64;
  record.line_first = 2;
  record.line_last = 4;
  record.row_first = 1;
  record.row_last = 3;
  record.context = "name,depth";
  objects[2].chunks = {record};
  objects[2].vectors = {0x2E66, 0x3266, 0x34CD, 0x3666};
  return objects;
}

inline constexpr std::uint32_t kSmallDimension = 4;

inline ByteView plane_bytes(const SegmentBuilder::Built& built, Plane plane) {
  const Extent extent = built.entry.planes[static_cast<std::size_t>(plane)];
  return ByteView(built.file).subspan(extent.offset, extent.size);
}

inline ByteView page_bytes(const SegmentBuilder::Built& built, const PageRef& page) {
  return ByteView(built.file).subspan(page.offset, page.size);
}

inline Space test_space(std::uint32_t dimension) {
  Space space;
  space.provider = "test";
  space.model = "words";
  space.revision = "1";
  space.dimension = dimension;
  space.pooling = "mean";
  space.max_tokens = 256;
  return space;
}

inline SourceEntry random_source(Random& random, std::uint32_t number, const Id128& space) {
  SourceEntry source;
  source.number = number;
  source.uri = str_cat("file:///data/", number, "/");
  source.recipe = {.extractor_version = 1,
                   .chunker_version = 2,
                   .max_tokens = 256,
                   .target_tokens = 200,
                   .max_object_bytes = random.next(),
                   .space = space};
  for (std::uint64_t i = random.below(3); i > 0; --i) source.include.push_back(str_cat("*.", i));
  for (std::uint64_t i = random.below(3); i > 0; --i) source.exclude.push_back(str_cat(i, "/**"));
  source.hidden = random.below(2) == 1;
  source.gitignore = random.below(2) == 1;
  source.set_hash = {.low = random.next(), .high = random.next()};
  source.failed_objects = random.below(1000);
  source.skipped_objects = random.below(1000);
  source.pending_objects = random.below(1000);
  source.live_objects = 3000 + random.below(1000);
  source.racy_objects = random.below(3000);
  source.earliest_retry = random_time(random);
  source.last_reconcile = random_time(random);
  source.withheld_deletes = random.below(1000);
  return source;
}

inline TreeEntry random_tree(Random& random, const Id128& space) {
  TreeEntry tree;
  tree.id = Id128::random(random);
  tree.space = space;
  tree.bytes = 1 + random.below(kMaxSegmentBytes);
  tree.leaves = static_cast<std::uint32_t>(100 + random.below(kMaxLists - 100));
  tree.rows = random.next();
  for (std::uint32_t i = 0; i < random.below(4); ++i)
    tree.points.push_back({.recall = 500 + 100 * i,
                           .probes = 1 + 10 * i,
                           .rerank = static_cast<std::uint32_t>(random.below(100))});
  return tree;
}

// Segments of a few objects each, some with trees, deletes and inlined directories.
inline IndexState random_state(Random& random, std::size_t sources, std::size_t segments) {
  constexpr std::uint32_t kDimension = 4;
  IndexState state;
  state.spaces = {test_space(kDimension)};
  const Id128 space = state.spaces[0].id();
  for (std::uint32_t i = 0; i < sources; ++i) {
    state.sources.push_back(random_source(random, state.next_source, space));
    state.next_source += static_cast<std::uint32_t>(1 + random.below(2));
  }
  for (std::size_t i = 0; i < segments % 3; ++i) state.trees.push_back(random_tree(random, space));
  for (std::size_t i = 0; i < segments; ++i) {
    const std::uint64_t count = 1 + random.below(10);
    SegmentBuilder builder(kDimension, space);
    for (IndexedObject& object : random_objects(random, count, 2, kDimension))
      KEDGE_CHECK(builder.add(std::move(object)).ok());
    TestCoder coder(kDimension);
    SegmentBuilder::Built built =
        std::move(builder).finish(Id128::random(random), static_cast<std::uint8_t>(i % 3), coder);
    SegmentEntry entry = built.entry;
    if (i % 2 == 0) {
      const ByteView directory = plane_bytes(built, Plane::kDirectory);
      entry.directory.assign(directory.begin(), directory.end());
    }
    if (count > 3) {
      entry.del_file = Id128::random(random);
      entry.del_bytes = 100;
      entry.del_count = 2;
      entry.dead = {0, 2};
    }
    if (entry.rows > 0 && !state.trees.empty()) entry.tree = state.trees[i % state.trees.size()].id;
    state.segments.push_back(std::move(entry));
  }
  return state;
}

}  // namespace kedge::test
