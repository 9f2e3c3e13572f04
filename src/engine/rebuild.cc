#include "engine/rebuild.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/strings.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr std::uint32_t kWindowRows = 8192;  // read, rotated and assigned at a time
constexpr std::size_t kBatchRows = 8192;     // gathered, encoded and written at a time
constexpr std::size_t kRowsPerTask = 256;

}  // namespace

// Rows [begin, end) of places_ with all that the writer takes of each.
struct Rebuild::Batch {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::vector<CodedRow> rows;
  std::vector<std::uint16_t> values;
  std::vector<EncodedRow> codes;             // of rows that are encoded
  std::vector<std::vector<std::byte>> bits;  // of rows that are copied
  std::vector<BlockPtr> kept;                // what copied rows borrow from
  std::vector<std::uint32_t> encoded;        // which rows are to be encoded, from the batch's begin
};

Rebuild::Rebuild(IndexImpl& index, SnapshotPtr snapshot, std::vector<SegmentPtr> inputs,
                 OpenTreePtr tree, Deadline deadline)
    : index_(index),
      snapshot_(std::move(snapshot)),
      inputs_(std::move(inputs)),
      tree_(std::move(tree)),
      deadline_(deadline),
      space_(*snapshot_->space(inputs_.front()->entry().space)),
      dimension_(space_.dimension),
      padded_(padded_dimension(dimension_)),
      rotation_(snapshot_->rotation(space_.id())),
      scratch_(index_.options().memory_bytes / 4),
      file_(index_.options().memory_bytes / 4) {}

bool Rebuild::copies(std::size_t input) const {
  return tree_ != nullptr && inputs_[input]->entry().tree == tree_->entry.id;
}

std::size_t Rebuild::scratch_stride() const { return sizeof(Kept) + 2 * std::size_t{dimension_}; }

Result<std::vector<BlockPtr>> Rebuild::read(const std::vector<PageWant>& wants) {
  return index_.reader().read_all(*snapshot_->head(), wants, nullptr, deadline_, Keep::kNever);
}

// Each row is placed and written: the two take about as long.
void Rebuild::tell(std::uint64_t rows) {
  told_ += rows;
  if (progress_ == nullptr || !*progress_) return;
  std::uint64_t all = 0;
  for (const SegmentPtr& input : inputs_) all += input->directory().rows;
  (*progress_)(std::min(told_ / 2, all), all);
}

Status Rebuild::run() {
  std::uint8_t level = 0;
  for (const SegmentPtr& input : inputs_) {
    level = std::max(level, input->entry().level);
    maps_.emplace_back(input->directory().objects, kLeftOut);
  }
  SegmentWriter writer(index_.random_id(), dimension_, file_, index_.options().memory_bytes);
  KEDGE_TRY(add_objects(writer));
  has_segment_ = writer.objects() > 0;
  if (!has_segment_) return {};
  const bool rows = writer.rows() > 0;
  if (rows) {
    KEDGE_TRY(place_rows());
    sort_places();
    KEDGE_TRY(add_rows(writer));
    KEDGE_TRY(add_chunks(writer));
  }
  const auto next = static_cast<std::uint8_t>(std::min<int>(level + 1, kMaxLevel));
  entry_ = KEDGE_TRY(std::move(writer).finish(
      space_.id(), rows && tree_ != nullptr ? tree_->entry.id : Id128(), next));
  return {};
}

// ---- objects

// Rows of sources that are gone, and absences so old that nothing they were for can come.
bool Rebuild::left_out(const ObjectRow& row) const {
  if (snapshot_->source(row.source) == nullptr) return true;
  return row.status == ObjectStatus::kAbsent &&
         row.read_time + kAbsenceKept < snapshot_->head()->store_time;
}

Status Rebuild::add_objects(SegmentWriter& writer) {
  RowCursor rows(index_.reader(), snapshot_, inputs_);
  while (std::optional<RowCursor::Row> row = KEDGE_TRY(rows.next(deadline_))) {
    if (left_out(row->entry.row)) continue;
    KEDGE_TRY(check_order(*row));
    maps_[row->track][row->number] = writer.objects();
    objects_.push_back({.input = static_cast<std::uint32_t>(row->track),
                        .old_chunk = row->entry.first_chunk,
                        .new_chunk = writer.rows(),
                        .chunks = row->entry.chunk_count});
    KEDGE_TRY(writer.add_object(std::move(row->entry.row), row->entry.chunk_count));
  }
  return {};
}

// Inputs are bytes of a store: what a sound index has in order may not be.
Status Rebuild::check_order(const RowCursor::Row& row) {
  std::string key = sort_key(row.entry.row.source, row.entry.row.key);
  if (!objects_.empty() && key <= last_key_) {
    return {Code::kCorrupt,
            str_cat(row.segment->file()->key, ": key '", printable(row.entry.row.key), "' is ",
                    key == last_key_ ? "live in another segment too" : "not in order")};
  }
  last_key_ = std::move(key);
  return {};
}

// ---- which list each row goes to

Status Rebuild::place_rows() {
  scratch_at_.resize(inputs_.size());
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (inputs_[i]->directory().rows == 0) continue;
    KEDGE_TRY(copies(i) ? place_listed(i) : place_scanned(i));
  }
  std::size_t expected = 0;
  for (const Object& object : objects_) expected += object.chunks;
  if (places_.size() != expected)
    return {Code::kCorrupt,
            str_cat(inputs_.front()->file()->key, " and what it is merged with: live objects have ",
                    expected, " chunks and ", places_.size(), " rows")};
  return {};
}

// On the target's tree: the codes say whose each row is.
Status Rebuild::place_listed(std::size_t input) {
  const SegmentDirectory& directory = inputs_[input]->directory();
  for (std::uint32_t list = 0; list < directory.lists.size();) {
    std::vector<PageWant> wants;
    std::vector<std::uint32_t> lists;
    for (std::uint64_t bytes = 0; list < directory.lists.size() && bytes < kMaxRange; ++list) {
      if (directory.lists[list].rows == 0) continue;
      wants.push_back(codes_want(*inputs_[input], list));
      bytes += wants.back().page.size;
      lists.push_back(list);
    }
    const std::vector<BlockPtr> runs = KEDGE_TRY(read(wants));
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const ListRef& ref = directory.lists[lists[i]];
      for (std::uint32_t row = 0; row < ref.rows; ++row) {
        const std::uint32_t object = maps_[input][runs[i]->codes.object(row)];
        if (object == kLeftOut) continue;
        places_.push_back({.list = lists[i],
                           .object = object,
                           .order = row,
                           .row = ref.first_row + row,
                           .input = static_cast<std::uint32_t>(input)});
      }
      tell(ref.rows);
    }
  }
  return {};
}

// Another tree or none: the vectors say where each row belongs, and stay in scratch for when their
// list is written.
Status Rebuild::place_scanned(std::size_t input) {
  const std::uint32_t rows = inputs_[input]->directory().rows;
  scratch_at_[input] = scratch_.size();
  for (std::uint32_t begin = 0; begin < rows; begin += kWindowRows) {
    const std::uint32_t end = std::min(rows, begin + kWindowRows);
    KEDGE_TRY(scan_window(input, begin, end));
    tell(end - begin);
  }
  return {};
}

Status Rebuild::scan_window(std::size_t input, std::uint32_t begin, std::uint32_t end) {
  static_assert(kWindowRows % kVectorBlockRows == 0 && kVectorBlockRows % kCodeBlockRows == 0);
  const Segment& segment = *inputs_[input];
  std::vector<PageWant> wants;
  for (std::uint32_t row = begin; row < end; row += kVectorBlockRows)
    wants.push_back(vectors_want(segment, row / kVectorBlockRows));
  const std::size_t vector_blocks = wants.size();
  for (std::uint32_t row = begin; row < end; row += kCodeBlockRows)
    wants.push_back(refine_want(segment, row / kCodeBlockRows));
  const std::vector<BlockPtr> blocks = KEDGE_TRY(read(wants));
  const std::size_t count = end - begin;
  const std::size_t stride = scratch_stride();
  Bytes kept(count * stride);
  std::vector<std::uint32_t> lists(count);
  std::vector<float> rotated(tree_ == nullptr ? 0 : count * padded_);
  const std::size_t tasks = (count + kRowsPerTask - 1) / kRowsPerTask;
  index_.environment().executor.parallel_for(tasks, [&](std::size_t t) {
    RowRotation rotation(space_, rotation_);
    for (std::size_t i = t * kRowsPerTask; i < std::min(count, (t + 1) * kRowsPerTask); ++i) {
      const VectorRow row = blocks[i / kVectorBlockRows]->vectors.row(
          static_cast<std::uint32_t>(i % kVectorBlockRows));
      const RefineRow refine = refine_row(blocks[vector_blocks + i / kCodeBlockRows]->bytes.data() +
                                          i % kCodeBlockRows * refine_row_bytes(padded_));
      const Kept head{.chunk = row.chunk, .length = refine.length, .begin = refine.begin};
      std::memcpy(kept.data() + i * stride, &head, sizeof head);
      std::memcpy(kept.data() + i * stride + sizeof head, row.values, 2 * std::size_t{dimension_});
      if (tree_ != nullptr) rotation.apply(row.values, rotated.data() + i * padded_);
    }
  });
  if (tree_ != nullptr)
    tree_->tree.assign(rotated.data(), count, lists.data(), index_.environment().executor);
  for (std::size_t i = 0; i < count; ++i) {
    const VectorRow row =
        blocks[i / kVectorBlockRows]->vectors.row(static_cast<std::uint32_t>(i % kVectorBlockRows));
    const std::uint32_t object = maps_[input][row.object];
    if (object == kLeftOut) continue;
    places_.push_back({.list = lists[i],
                       .object = object,
                       .order = row.chunk,
                       .row = begin + static_cast<std::uint32_t>(i),
                       .input = static_cast<std::uint32_t>(input)});
  }
  return scratch_.write(scratch_.size(), kept);
}

// By list, in a list by object, and of an object by chunk: so the rows of a segment of one list are
// in the order of its chunks. All rows of an object come from one input; in a list that is copied
// they are in this order already.
void Rebuild::sort_places() {
  const std::size_t lists = tree_ == nullptr ? 1 : tree_->tree.leaf_count();
  list_rows_.assign(lists, 0);
  for (const Place& place : places_) ++list_rows_[place.list];
  std::vector<std::size_t> next(lists);
  for (std::size_t l = 1; l < lists; ++l) next[l] = next[l - 1] + list_rows_[l - 1];
  std::vector<std::size_t> starts = next;
  std::vector<Place> sorted(places_.size());
  for (const Place& place : places_) sorted[next[place.list]++] = place;
  places_ = std::move(sorted);
  index_.environment().executor.parallel_for(lists, [&](std::size_t l) {
    const auto begin = places_.begin() + static_cast<std::ptrdiff_t>(starts[l]);
    std::sort(begin, begin + list_rows_[l], [](const Place& a, const Place& b) {
      return a.object != b.object ? a.object < b.object : a.order < b.order;
    });
  });
}

// ---- rows

Status Rebuild::add_rows(SegmentWriter& writer) {
  KEDGE_TRY(writer.begin_rows(list_rows_));
  row_of_.assign(places_.size(), UINT32_MAX);
  for (std::size_t begin = 0; begin < places_.size(); begin += kBatchRows) {
    const std::size_t end = std::min(places_.size(), begin + kBatchRows);
    KEDGE_TRY(add_batch(writer, begin, end));
    tell(end - begin);
  }
  if (std::find(row_of_.begin(), row_of_.end(), UINT32_MAX) != row_of_.end())
    return {Code::kCorrupt, str_cat(inputs_.front()->file()->key,
                                    " and what it is merged with: a chunk has no row")};
  return {};
}

Status Rebuild::add_batch(SegmentWriter& writer, std::size_t begin, std::size_t end) {
  Batch batch;
  batch.begin = begin;
  batch.end = end;
  batch.rows.resize(end - begin);
  batch.values.resize(batch.rows.size() * dimension_);
  batch.codes.resize(batch.rows.size());
  batch.bits.resize(batch.rows.size());
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    batch.rows[i].object = places_[begin + i].object;
    batch.rows[i].values = batch.values.data() + i * dimension_;
    if (!copies(places_[begin + i].input)) batch.encoded.push_back(static_cast<std::uint32_t>(i));
  }
  KEDGE_TRY(load_encoded(batch));
  KEDGE_TRY(load_copied(batch));
  KEDGE_TRY(encode(batch));
  std::uint32_t list = begin == 0 ? UINT32_MAX : places_[begin - 1].list;
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    const Place& place = places_[begin + i];
    if (place.list != list) {
      list = place.list;
      KEDGE_TRY(writer.begin_list(centroid_of(list)));
    }
    const Object& object = objects_[place.object];
    const std::uint32_t chunk = batch.rows[i].chunk;
    if (chunk >= object.chunks || row_of_[object.new_chunk + chunk] != UINT32_MAX)
      return {Code::kCorrupt, str_cat(inputs_[place.input]->file()->key, ": row ", place.row,
                                      " is of a chunk that its object has not, or has already")};
    row_of_[object.new_chunk + chunk] = static_cast<std::uint32_t>(begin + i);
    KEDGE_TRY(writer.add_row(batch.rows[i]));
  }
  return {};
}

const std::uint16_t* Rebuild::centroid_of(std::uint32_t list) const {
  return tree_ != nullptr ? tree_->tree.centroid_f16(list) : centroid_.data();
}

Status Rebuild::load_encoded(Batch& batch) {
  Bytes kept(scratch_stride());
  for (const std::uint32_t i : batch.encoded) {
    const Place& place = places_[batch.begin + i];
    KEDGE_TRY(scratch_.read(scratch_at_[place.input] + place.row * scratch_stride(), kept));
    Kept head;
    std::memcpy(&head, kept.data(), sizeof head);
    std::memcpy(batch.values.data() + std::size_t{i} * dimension_, kept.data() + sizeof head,
                2 * std::size_t{dimension_});
    batch.rows[i].chunk = head.chunk;
    batch.rows[i].begin = head.begin;
    batch.rows[i].length = head.length;
  }
  return {};
}

// Rows of one list and input lie together, in all three planes.
Status Rebuild::load_copied(Batch& batch) {
  if (batch.encoded.size() == batch.rows.size()) return {};
  struct Source {
    std::size_t codes = 0, refine = 0, vectors = 0;  // positions in the wants
  };
  std::vector<PageWant> wants;
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::size_t> known;
  const auto want = [&](std::uint32_t input, const PageWant& page) {
    const auto [at, fresh] = known.emplace(std::pair(input, page.page.offset), wants.size());
    if (fresh) wants.push_back(page);
    return at->second;
  };
  std::vector<Source> sources(batch.rows.size());
  std::size_t next = 0;
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    if (next < batch.encoded.size() && batch.encoded[next] == i) {
      ++next;
      continue;
    }
    const Place& place = places_[batch.begin + i];
    const Segment& input = *inputs_[place.input];
    sources[i] = {want(place.input, codes_want(input, place.list)),
                  want(place.input, refine_want(input, place.row / kCodeBlockRows)),
                  want(place.input, vectors_want(input, place.row / kVectorBlockRows))};
  }
  batch.kept = KEDGE_TRY(read(wants));
  next = 0;
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    if (next < batch.encoded.size() && batch.encoded[next] == i) {
      ++next;
      continue;
    }
    const Place& place = places_[batch.begin + i];
    CodedRow& row = batch.rows[i];
    const CodeList& codes = batch.kept[sources[i].codes]->codes;
    const std::uint32_t in_list =
        place.row - inputs_[place.input]->directory().lists[place.list].first_row;
    batch.bits[i].resize(padded_ / 8);
    get_code(codes.block(in_list), padded_, in_list % kCodeBlockRows, batch.bits[i].data(), row);
    row.object = place.object;
    const RefineRow refine = refine_row(batch.kept[sources[i].refine]->bytes.data() +
                                        place.row % kCodeBlockRows * refine_row_bytes(padded_));
    row.chunk = refine.chunk;
    row.begin = refine.begin;
    row.length = refine.length;
    row.extra = refine.extra;
    row.refine_add = refine.add;
    row.refine_rescale = refine.rescale;
    row.values = batch.kept[sources[i].vectors]->vectors.row(place.row % kVectorBlockRows).values;
  }
  return {};
}

Status Rebuild::encode(Batch& batch) {
  if (batch.encoded.empty()) return {};
  if (tree_ == nullptr && centroid_.empty()) KEDGE_TRY(find_centroid());
  const std::size_t count = batch.encoded.size();
  const bool calibrates = calibration_ != nullptr && tree_ != nullptr;
  std::vector<float> rotated(calibrates ? count * padded_ : 0);
  std::vector<std::uint32_t> lists(count);
  const std::size_t tasks = (count + kRowsPerTask - 1) / kRowsPerTask;
  index_.environment().executor.parallel_for(tasks, [&](std::size_t t) {
    RowRotation rotation(space_, rotation_);
    RowEncoder encoder(padded_, space_.metric);
    std::vector<float> own(padded_);
    std::vector<float> centroid(padded_);
    std::uint32_t centroid_list = UINT32_MAX;
    for (std::size_t e = t * kRowsPerTask; e < std::min(count, (t + 1) * kRowsPerTask); ++e) {
      const std::uint32_t i = batch.encoded[e];
      lists[e] = places_[batch.begin + i].list;
      if (lists[e] != centroid_list) {
        centroid_list = lists[e];
        kernels().f16_to_f32(centroid_of(centroid_list), centroid.data(), padded_);
      }
      float* to = calibrates ? rotated.data() + e * padded_ : own.data();
      rotation.apply(batch.rows[i].values, to);
      encoder.encode(to, centroid.data(), batch.codes[i]);
      set_code(batch.rows[i], batch.codes[i]);
    }
  });
  if (calibrates)
    calibration_->add(rotated.data(), lists.data(), count, index_.environment().executor);
  return {};
}

// Of a segment of one list: the mean of its rows, all of which are in scratch.
Status Rebuild::find_centroid() {
  std::vector<double> sums(padded_);
  std::vector<float> rotated(padded_);
  std::vector<std::uint16_t> values(dimension_);
  RowRotation rotation(space_, rotation_);
  for (const Place& place : places_) {
    const std::uint64_t at = scratch_at_[place.input] + place.row * scratch_stride();
    KEDGE_TRY(scratch_.read(at + sizeof(Kept), std::as_writable_bytes(std::span(values))));
    rotation.apply(values.data(), rotated.data());
    for (std::size_t d = 0; d < sums.size(); ++d) sums[d] += double{rotated[d]};
  }
  centroid_ = mean_centroid(sums, places_.size());
  return {};
}

// ---- chunks

Status Rebuild::add_chunks(SegmentWriter& writer) {
  for (std::size_t begin = 0; begin < objects_.size();) {
    std::uint64_t bytes = 0;
    std::size_t end = begin;
    for (; end < objects_.size() && bytes < index_.options().merge_window_bytes; ++end)
      bytes += sizeof(Object) + objects_[end].chunks * sizeof(TextEntry);
    KEDGE_TRY(add_chunks_of(begin, end, writer));
    begin = end;
  }
  return {};
}

// Every text page that has a chunk of these objects, in one round.
Status Rebuild::add_chunks_of(std::size_t begin, std::size_t end, SegmentWriter& writer) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<TextEntry>> pages;
  for (std::size_t o = begin; o < end; ++o) {
    const Object& object = objects_[o];
    if (object.chunks == 0) continue;
    for (std::uint32_t page = object.old_chunk / kTextPageChunks;
         page <= (object.old_chunk + object.chunks - 1) / kTextPageChunks; ++page) {
      pages.emplace(std::pair(object.input, page), std::vector<TextEntry>());
    }
  }
  std::vector<PageWant> wants;
  for (const auto& [place, entries] : pages)
    wants.push_back(text_want(*inputs_[place.first], place.second));
  const std::vector<BlockPtr> blocks = KEDGE_TRY(read(wants));
  std::size_t next = 0;
  for (auto& [place, entries] : pages) {
    entries = KEDGE_TRY(parse_text_page(blocks[next++]->bytes, place.second * kTextPageChunks,
                                        inputs_[place.first]->directory()));
  }
  for (std::size_t o = begin; o < end; ++o) {
    const Object& object = objects_[o];
    for (std::uint32_t c = 0; c < object.chunks; ++c) {
      const std::uint32_t chunk = object.old_chunk + c;
      TextEntry& entry = pages.at({object.input, chunk / kTextPageChunks})[chunk % kTextPageChunks];
      KEDGE_TRY(writer.add_chunk(std::move(entry.chunk), row_of_[object.new_chunk + c]));
    }
  }
  return {};
}

}  // namespace kedge
