// The rows of a rebuilt segment: gathered from scratch and from inputs on the same tree, encoded
// where they are not, and written list by list.
#include <algorithm>
#include <cstring>
#include <map>

#include "base/strings.h"
#include "engine/rebuild.h"
#include "simd/kernels.h"

namespace kedge {

// Rows [begin, end) of part_ with all that the writer takes of each. Two are used for all
// batches, so that their memory is too.
struct Rebuild::Batch {
  // Where a row that is copied lies: positions in `blocks`.
  struct Source {
    std::size_t codes = 0, refine = 0, vectors = 0;
  };

  void start(std::size_t its_begin, std::size_t its_end) {
    begin = its_begin;
    end = its_end;
    rows.assign(end - begin, CodedRow());
    codes.resize(rows.size());
    bits.resize(rows.size());
    sources.resize(rows.size());
    blocks.clear();
  }

  std::size_t begin = 0;
  std::size_t end = 0;
  std::vector<CodedRow> rows;
  Bytes kept;                                // of rows that are encoded, as scratch has them
  std::vector<EncodedRow> codes;             // of the same
  std::vector<Source> sources;               // of rows that are copied
  std::vector<BlockPtr> blocks;              // of the same
  std::vector<std::vector<std::byte>> bits;  // of the same
  std::vector<float> rotated;                // all rows, where they are calibrated with
  std::vector<std::uint32_t> lists;          // the same
};

Status Rebuild::add_rows(SegmentWriter& writer) {
  KEDGE_TRY(writer.begin_rows(places_.rows_of_list()));
  row_of_.assign(places_.rows(), UINT32_MAX);
  for (;;) {
    part_ = KEDGE_TRY(places_.next(index_.environment().executor));
    if (part_.empty()) break;
    KEDGE_TRY(add_part(writer));
    part_begin_ += part_.size();
  }
  if (std::find(row_of_.begin(), row_of_.end(), UINT32_MAX) != row_of_.end())
    return {Code::kCorrupt, str_cat(inputs_.front()->file()->key,
                                    " and what it is merged with: a chunk has no row")};
  return {};
}

// The next batch is made ready while one is written.
Status Rebuild::add_part(SegmentWriter& writer) {
  Batch batches[2];
  Batch* batch = &batches[0];
  Batch* next = &batches[1];
  KEDGE_TRY(make_ready(0, *batch));
  while (batch->begin < batch->end) {
    Status written;
    Status ready;
    index_.environment().executor.run_both([&] { written = write(*batch, writer); },
                                           [&] { ready = make_ready(batch->end, *next); });
    KEDGE_TRY(std::move(written));
    KEDGE_TRY(std::move(ready));
    tell(batch->rows.size());
    std::swap(batch, next);
  }
  return {};
}

// Empty behind the last place.
Status Rebuild::make_ready(std::size_t begin, Batch& batch) {
  batch.start(begin, std::min(part_.size(), begin + window_rows_));
  if (batch.rows.empty()) return {};
  if (tree_ == nullptr && centroid_.empty()) KEDGE_TRY(find_centroid());
  KEDGE_TRY(read_copied(batch));
  Executor& executor = index_.environment().executor;
  const bool calibrated = calibration_ != nullptr && tree_ != nullptr;
  batch.kept.resize(batch.rows.size() * scratch_stride());
  batch.rotated.resize(calibrated ? batch.rows.size() * padded_ : 0);
  batch.lists.resize(calibrated ? batch.rows.size() : 0);
  KEDGE_TRY(
      try_ranges(executor, batch.rows.size(), kRowsPerTask,
                 [&](std::size_t first, std::size_t last) { return code(first, last, batch); }));
  if (calibrated) {
    calibration_->add(tree_->tree, batch.rotated.data(), batch.lists.data(), batch.lists.size(),
                      executor);
  }
  return {};
}

Status Rebuild::write(const Batch& batch, SegmentWriter& writer) {
  const std::size_t begin = batch.begin;
  std::uint32_t list = begin == 0 ? UINT32_MAX : part_[begin - 1].list;
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    const Place& place = part_[begin + i];
    if (place.list != list) {
      list = place.list;
      KEDGE_TRY(writer.begin_list(centroid_of(list)));
    }
    const Object& object = objects_[place.object];
    const std::uint32_t chunk = batch.rows[i].chunk;
    if (chunk >= object.chunks || row_of_[object.new_chunk + chunk] != UINT32_MAX)
      return {Code::kCorrupt, str_cat(inputs_[place.input]->file()->key, ": row ", place.row,
                                      " is of a chunk that its object has not, or has already")};
    row_of_[object.new_chunk + chunk] = static_cast<std::uint32_t>(part_begin_ + begin + i);
    KEDGE_TRY(writer.add_row(batch.rows[i]));
  }
  return {};
}

const std::uint16_t* Rebuild::centroid_of(std::uint32_t list) const {
  return tree_ != nullptr ? tree_->tree.centroid_f16(list) : centroid_.data();
}

// Rows of one list and input lie together, in all three planes.
Status Rebuild::read_copied(Batch& batch) {
  std::vector<PageWant> wants;
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::size_t> known;
  const auto want = [&](std::uint32_t input, const PageWant& page) {
    const auto [at, fresh] = known.emplace(std::pair(input, page.page.offset), wants.size());
    if (fresh) wants.push_back(page);
    return at->second;
  };
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    const Place& place = part_[batch.begin + i];
    if (!copies(place.input)) continue;
    const Segment& input = *inputs_[place.input];
    batch.sources[i] = {want(place.input, codes_want(input, place.list)),
                        want(place.input, refine_want(input, place.row / kCodeBlockRows)),
                        want(place.input, vectors_want(input, place.row / kVectorBlockRows))};
  }
  if (!wants.empty()) batch.blocks = KEDGE_TRY(read(wants));
  return {};
}

// Rows [begin, end) of the batch get what the writer takes of them, and where there is a
// calibration what it does.
Status Rebuild::code(std::size_t begin, std::size_t end, Batch& batch) const {
  RowRotation rotation(space_, rotation_);
  RowEncoder encoder(padded_, space_.metric);
  std::vector<float> own(padded_);
  std::vector<float> centroid(padded_);
  std::uint32_t centroid_list = UINT32_MAX;
  for (std::size_t i = begin; i < end; ++i) {
    const Place& place = part_[batch.begin + i];
    CodedRow& row = batch.rows[i];
    float* const rotated = batch.rotated.empty() ? own.data() : &batch.rotated[i * padded_];
    if (!batch.lists.empty()) batch.lists[i] = place.list;
    if (copies(place.input)) {
      copy_code(place, i, batch);
      if (!batch.rotated.empty()) rotation.apply(row.values, rotated);
    } else {
      KEDGE_TRY(load_row(place, &batch.kept[i * scratch_stride()], row));
      if (place.list != centroid_list) {
        centroid_list = place.list;
        kernels().f16_to_f32(centroid_of(place.list), centroid.data(), padded_);
      }
      rotation.apply(row.values, rotated);
      encoder.encode(rotated, centroid.data(), batch.codes[i]);
      set_code(row, batch.codes[i]);
    }
    row.object = place.object;
  }
  return {};
}

void Rebuild::copy_code(const Place& place, std::size_t i, Batch& batch) const {
  const Batch::Source& source = batch.sources[i];
  CodedRow& row = batch.rows[i];
  const CodeList& codes = batch.blocks[source.codes]->codes;
  const std::uint32_t in_list =
      place.row - inputs_[place.input]->directory().lists[place.list].first_row;
  batch.bits[i].resize(padded_ / 8);
  get_code(codes.block(in_list), padded_, in_list % kCodeBlockRows, batch.bits[i].data(), row);
  const RefineRow refine = refine_row(batch.blocks[source.refine]->bytes.data() +
                                      place.row % kCodeBlockRows * refine_row_bytes(padded_));
  row.chunk = refine.chunk;
  row.begin = refine.begin;
  row.length = refine.length;
  row.extra = refine.extra;
  row.refine_add = refine.add;
  row.refine_rescale = refine.rescale;
  row.values = batch.blocks[source.vectors]->vectors.row(place.row % kVectorBlockRows).values;
}

// The row as scratch has it, into `kept`, which it borrows its values from.
Status Rebuild::load_row(const Place& place, std::byte* kept, CodedRow& row) const {
  const std::size_t stride = scratch_stride();
  KEDGE_TRY(scratch_.read(scratch_at_[place.input] + place.row * stride, {kept, stride}));
  Kept head;
  std::memcpy(&head, kept, sizeof head);
  row.chunk = head.chunk;
  row.begin = head.begin;
  row.length = head.length;
  row.values = reinterpret_cast<const std::uint16_t*>(kept + sizeof head);
  return {};
}

// Of a segment of one list: the mean of its rows, all of which are in scratch and in one part.
Status Rebuild::find_centroid() {
  centroid_ =
      KEDGE_TRY(mean_centroid(space_, *rotation_, part_.size(), index_.environment().executor,
                              [&](std::size_t begin, std::size_t end, RowSum& sum) -> Status {
                                Bytes kept(scratch_stride());
                                CodedRow row;
                                for (std::size_t i = begin; i < end; ++i) {
                                  KEDGE_TRY(load_row(part_[i], kept.data(), row));
                                  sum.add(row.values);
                                }
                                return {};
                              }));
  return {};
}

}  // namespace kedge
