// The rows of a rebuilt segment: gathered from scratch and from inputs on the same tree, encoded
// where they are not, and written list by list.
#include <algorithm>
#include <cstring>
#include <map>

#include "base/strings.h"
#include "engine/rebuild.h"
#include "simd/kernels.h"

namespace kedge {

// Rows [begin, end) of places_ with all that the writer takes of each. One is used for all batches,
// so that its memory is too.
struct Rebuild::Batch {
  void start(std::size_t its_begin, std::size_t its_end, std::uint32_t dimension) {
    begin = its_begin;
    end = its_end;
    rows.assign(end - begin, CodedRow());
    values.resize(rows.size() * dimension);
    codes.resize(rows.size());
    bits.resize(rows.size());
    encoded.clear();
    kept.clear();
  }

  std::size_t begin = 0;
  std::size_t end = 0;
  std::vector<CodedRow> rows;
  std::vector<std::uint16_t> values;
  std::vector<EncodedRow> codes;             // of rows that are encoded
  std::vector<std::vector<std::byte>> bits;  // of rows that are copied
  std::vector<BlockPtr> kept;                // what copied rows borrow from
  std::vector<std::uint32_t> encoded;        // which rows are to be encoded, from the batch's begin
  std::vector<float> rotated;                // all rows, where they are calibrated with
};

Status Rebuild::add_rows(SegmentWriter& writer) {
  KEDGE_TRY(writer.begin_rows(list_rows_));
  row_of_.assign(places_.size(), UINT32_MAX);
  Batch batch;
  for (std::size_t begin = 0; begin < places_.size(); begin += window_rows_) {
    batch.start(begin, std::min(places_.size(), begin + window_rows_), dimension_);
    KEDGE_TRY(add_batch(writer, batch));
    tell(batch.rows.size());
  }
  if (std::find(row_of_.begin(), row_of_.end(), UINT32_MAX) != row_of_.end())
    return {Code::kCorrupt, str_cat(inputs_.front()->file()->key,
                                    " and what it is merged with: a chunk has no row")};
  return {};
}

Status Rebuild::add_batch(SegmentWriter& writer, Batch& batch) {
  const std::size_t begin = batch.begin;
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    batch.rows[i].object = places_[begin + i].object;
    batch.rows[i].values = batch.values.data() + i * dimension_;
    if (!copies(places_[begin + i].input)) batch.encoded.push_back(static_cast<std::uint32_t>(i));
  }
  KEDGE_TRY(load_encoded(batch));
  KEDGE_TRY(load_copied(batch));
  if (calibration_ != nullptr && tree_ != nullptr)
    batch.rotated.resize(batch.rows.size() * padded_);
  KEDGE_TRY(encode(batch));
  calibrate(batch);
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
  const std::size_t tasks = (count + kRowsPerTask - 1) / kRowsPerTask;
  index_.environment().executor.parallel_for(tasks, [&](std::size_t t) {
    RowRotation rotation(space_, rotation_);
    RowEncoder encoder(padded_, space_.metric);
    std::vector<float> own(padded_);
    std::vector<float> centroid(padded_);
    std::uint32_t centroid_list = UINT32_MAX;
    for (std::size_t e = t * kRowsPerTask; e < std::min(count, (t + 1) * kRowsPerTask); ++e) {
      const std::uint32_t i = batch.encoded[e];
      const std::uint32_t list = places_[batch.begin + i].list;
      if (list != centroid_list) {
        centroid_list = list;
        kernels().f16_to_f32(centroid_of(list), centroid.data(), padded_);
      }
      float* to = batch.rotated.empty() ? own.data() : &batch.rotated[std::size_t{i} * padded_];
      rotation.apply(batch.rows[i].values, to);
      encoder.encode(to, centroid.data(), batch.codes[i]);
      set_code(batch.rows[i], batch.codes[i]);
    }
  });
  return {};
}

// Shows the batch to the calibration: encode() has rotated some of its rows.
void Rebuild::calibrate(Batch& batch) {
  if (batch.rotated.empty()) return;
  std::vector<std::uint32_t> lists(batch.rows.size());
  const std::size_t tasks = (lists.size() + kRowsPerTask - 1) / kRowsPerTask;
  index_.environment().executor.parallel_for(tasks, [&](std::size_t t) {
    RowRotation rotation(space_, rotation_);
    const std::size_t end = std::min(lists.size(), (t + 1) * kRowsPerTask);
    for (std::size_t i = t * kRowsPerTask; i < end; ++i) {
      const Place& place = places_[batch.begin + i];
      lists[i] = place.list;
      if (copies(place.input)) rotation.apply(batch.rows[i].values, &batch.rotated[i * padded_]);
    }
  });
  calibration_->add(tree_->tree, batch.rotated.data(), lists.data(), lists.size(),
                    index_.environment().executor);
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

}  // namespace kedge
