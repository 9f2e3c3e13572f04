#include "engine/rebuild.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/memory.h"
#include "base/strings.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr std::size_t kPagesPerTask = 8;

// Rows that are read, rotated and assigned at a time, and then gathered, encoded and written. Of
// two windows of each there are the halves, the floats, the codes and what they are read from.
std::uint32_t window_rows(const IndexOptions& options, std::uint32_t padded) {
  constexpr std::uint64_t kLeast = 1024, kMost = 8192;
  const std::uint64_t fit = options.memory_bytes / 8 / (14 * std::uint64_t{padded} + 512);
  return static_cast<std::uint32_t>(std::clamp(fit / kLeast * kLeast, kLeast, kMost));
}

}  // namespace

bool is_large(const std::vector<SegmentPtr>& inputs, const IndexOptions& options) {
  std::uint64_t bytes = 0;
  for (const SegmentPtr& input : inputs) bytes += input->entry().bytes;
  return bytes > options.memory_bytes;
}

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
      window_rows_(window_rows(index_.options(), padded_)),
      places_(index_.options().memory_bytes / 4, index_.options().scratch_folder),
      scratch_(index_.options().memory_bytes / 16, index_.options().scratch_folder),
      file_(index_.options().memory_bytes / 16, index_.options().scratch_folder) {}

bool Rebuild::copies(std::size_t input) const {
  return tree_ != nullptr && inputs_[input]->entry().tree == tree_->entry.id;
}

std::size_t Rebuild::scratch_stride() const { return sizeof(Kept) + 2 * std::size_t{dimension_}; }

Result<std::vector<BlockPtr>> Rebuild::read(const std::vector<PageWant>& wants) {
  return index_.reader().read_all(*snapshot_->head(), wants, nullptr, deadline_, Keep::kNever);
}

void Rebuild::trim() const {
  if (is_large(inputs_, index_.options())) release_free_memory();
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
  std::uint64_t objects = 0;
  for (const SegmentPtr& input : inputs_) objects += input->directory().objects;
  objects_.reserve(objects);
  SegmentWriter writer(index_.random_id(), dimension_, file_, index_.options().memory_bytes / 2);
  KEDGE_TRY(add_objects(writer));
  has_segment_ = writer.objects() > 0;
  if (!has_segment_) return {};
  KEDGE_TRY(writer.end_objects());
  trim();
  const bool rows = writer.rows() > 0;
  if (rows) {
    KEDGE_TRY(place_rows());
    trim();
    KEDGE_TRY(add_rows(writer));
    trim();
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
  std::size_t expected = 0;
  for (const Object& object : objects_) expected += object.chunks;
  places_.start(tree_ == nullptr ? 1 : tree_->tree.leaf_count(), expected);
  Window windows[2];
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (inputs_[i]->directory().rows == 0) continue;
    KEDGE_TRY(copies(i) ? place_listed(i) : place_scanned(i, windows));
  }
  if (places_.rows() != expected)
    return {Code::kCorrupt,
            str_cat(inputs_.front()->file()->key, " and what it is merged with: live objects have ",
                    expected, " chunks and ", places_.rows(), " rows")};
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
        KEDGE_TRY(places_.add({.list = lists[i],
                               .object = object,
                               .order = row,
                               .row = ref.first_row + row,
                               .input = static_cast<std::uint32_t>(input)}));
      }
      tell(ref.rows);
    }
  }
  return {};
}

// Another tree or none: the vectors say where each row belongs, and stay in scratch for when their
// list is written.
Status Rebuild::place_scanned(std::size_t input, std::span<Window, 2> windows) {
  scratch_at_[input] = scratch_.size();
  Window* window = &windows[0];
  Window* other = &windows[1];
  KEDGE_TRY(read_window(input, 0, *window));
  while (window->begin < window->end) {
    // Of the other one the rows are written that were placed before, and then it is read on.
    Status placed;
    Status moved;
    index_.environment().executor.run_both([&] { placed = place_window(input, *window); },
                                           [&] {
                                             moved = scratch_.write(scratch_.size(), other->kept);
                                             other->kept.clear();
                                             if (!moved.ok()) return;
                                             moved = read_window(input, window->end, *other);
                                           });
    KEDGE_TRY(std::move(placed));
    KEDGE_TRY(std::move(moved));
    tell(window->end - window->begin);
    std::swap(window, other);
  }
  KEDGE_TRY(scratch_.write(scratch_.size(), other->kept));
  other->kept.clear();
  return {};
}

// Empty at the input's end.
Status Rebuild::read_window(std::size_t input, std::uint32_t begin, Window& window) {
  static_assert(kVectorBlockRows % kCodeBlockRows == 0);
  KEDGE_CHECK(begin % kVectorBlockRows == 0 || begin == inputs_[input]->directory().rows);
  const Segment& segment = *inputs_[input];
  window.begin = begin;
  window.end = std::min(segment.directory().rows, begin + window_rows_);
  std::vector<PageWant> wants;
  for (std::uint32_t row = begin; row < window.end; row += kVectorBlockRows)
    wants.push_back(vectors_want(segment, row / kVectorBlockRows));
  const auto vectors = static_cast<std::ptrdiff_t>(wants.size());
  for (std::uint32_t row = begin; row < window.end; row += kCodeBlockRows)
    wants.push_back(refine_want(segment, row / kCodeBlockRows));
  const std::vector<BlockPtr> blocks = KEDGE_TRY(read(wants));
  window.vectors.assign(blocks.begin(), blocks.begin() + vectors);
  window.refine.assign(blocks.begin() + vectors, blocks.end());
  return {};
}

Status Rebuild::place_window(std::size_t input, Window& window) {
  const std::size_t count = window.end - window.begin;
  const std::size_t stride = scratch_stride();
  window.kept.resize(count * stride);
  window.lists.resize(count);
  window.rotated.resize(tree_ == nullptr ? 0 : count * padded_);
  std::byte* const kept = window.kept.data();
  float* const rotated = window.rotated.data();
  const auto row_at = [&](std::size_t i) {
    return window.vectors[i / kVectorBlockRows]->vectors.row(
        static_cast<std::uint32_t>(i % kVectorBlockRows));
  };
  Executor& executor = index_.environment().executor;
  parallel_ranges(executor, count, kRowsPerTask, [&](std::size_t begin, std::size_t end) {
    RowRotation rotation(space_, rotation_);
    for (std::size_t i = begin; i < end; ++i) {
      const VectorRow row = row_at(i);
      const RefineRow refine = refine_row(window.refine[i / kCodeBlockRows]->bytes.data() +
                                          i % kCodeBlockRows * refine_row_bytes(padded_));
      const Kept head{.chunk = row.chunk, .length = refine.length, .begin = refine.begin};
      std::memcpy(kept + i * stride, &head, sizeof head);
      std::memcpy(kept + i * stride + sizeof head, row.values, 2 * std::size_t{dimension_});
      if (tree_ != nullptr) rotation.apply(row.values, rotated + i * padded_);
    }
  });
  if (tree_ != nullptr) tree_->tree.assign(rotated, count, window.lists.data(), executor);
  for (std::size_t i = 0; i < count; ++i) {
    const VectorRow row = row_at(i);
    const std::uint32_t object = maps_[input][row.object];
    if (object == kLeftOut) continue;
    KEDGE_TRY(places_.add({.list = window.lists[i],
                           .object = object,
                           .order = row.chunk,
                           .row = window.begin + static_cast<std::uint32_t>(i),
                           .input = static_cast<std::uint32_t>(input)}));
  }
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
  std::vector<decltype(pages)::iterator> order;
  for (auto page = pages.begin(); page != pages.end(); ++page) order.push_back(page);
  KEDGE_TRY(try_ranges(index_.environment().executor, order.size(), kPagesPerTask,
                       [&](std::size_t first, std::size_t last) -> Status {
                         for (std::size_t i = first; i < last; ++i) {
                           auto& [place, entries] = *order[i];
                           entries = KEDGE_TRY(parse_text_page(blocks[i]->bytes,
                                                               place.second * kTextPageChunks,
                                                               inputs_[place.first]->directory()));
                         }
                         return {};
                       }));
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
