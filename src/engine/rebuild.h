// One segment out of several, without their dead objects: merges, compaction and retraining. Bytes
// come from the inputs in windows and go to a sink; what is kept is 4 bytes a row and about 40 an
// object, where each row goes, up to a quarter of IndexOptions::memory_bytes (places.h), and of
// attributes what SegmentWriter keeps, up to half of it.
//
// Rows of inputs that stand on the target's tree keep their lists and codes, which are copied; all
// others are encoded, from the vectors plane. With no tree the segment has one list.
//
// Threads: one, which uses the executor.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/calibrate.h"
#include "engine/cursor.h"
#include "engine/index_impl.h"
#include "engine/open_tree.h"
#include "engine/places.h"
#include "engine/row_coder.h"
#include "engine/scratch.h"

namespace kedge {

// Whether inputs are so much that memory is given back to the system between the steps: that takes
// the allocator's locks, which many small merges must not.
bool is_large(const std::vector<SegmentPtr>& inputs, const IndexOptions& options);

class Rebuild {
 public:
  // Inputs are of one space and not damaged. `tree` may be null. All outlive the rebuild.
  Rebuild(IndexImpl& index, SnapshotPtr snapshot, std::vector<SegmentPtr> inputs, OpenTreePtr tree,
          Deadline deadline);
  // Every row is shown to it. May be null.
  void set_calibration(Calibration* calibration) { calibration_ = calibration; }
  // Told of every window of rows. May be null or empty.
  void set_progress(const RowsProgress* progress) { progress_ = progress; }

  // kCorrupt: an input. Afterwards entry() and maps().
  Status run();
  // False: no input had a live object, and there is no segment.
  [[nodiscard]] bool has_segment() const { return has_segment_; }
  [[nodiscard]] const SegmentEntry& entry() const { return entry_; }
  [[nodiscard]] Scratch& file() { return file_; }
  // Of each input, old object number to new, kLeftOut where there is none.
  [[nodiscard]] const std::vector<std::vector<std::uint32_t>>& maps() const { return maps_; }
  static constexpr std::uint32_t kLeftOut = UINT32_MAX;

 private:
  // Where one object's chunks are.
  struct Object {
    std::uint32_t input = 0;
    std::uint32_t old_chunk = 0;
    std::uint32_t new_chunk = 0;
    std::uint32_t chunks = 0;
  };
  // A row of an input that is to be encoded, as scratch_ keeps it before its values.
  struct Kept {
    std::uint32_t chunk = 0;
    std::uint32_t length = 0;
    std::uint64_t begin = 0;
  };
  static constexpr std::size_t kRowsPerTask = 256;
  // Rows [begin, end) of an input. There are two for all inputs, since what comes and goes in large
  // pieces the process holds twice.
  struct Window {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::vector<BlockPtr> vectors;
    std::vector<BlockPtr> refine;
    std::vector<float> rotated;
    std::vector<std::uint32_t> lists;
    Bytes kept;  // what goes to scratch
  };
  struct Batch;  // of rows on their way into the writer

  [[nodiscard]] bool copies(std::size_t input) const;
  [[nodiscard]] bool left_out(const ObjectRow& row) const;
  Status add_objects(SegmentWriter& writer);
  Status check_order(const RowCursor::Row& row);
  Status place_rows();
  Status place_listed(std::size_t input);
  Status place_scanned(std::size_t input, std::span<Window, 2> windows);
  Status read_window(std::size_t input, std::uint32_t begin, Window& window);
  Status place_window(std::size_t input, Window& window);
  Status add_rows(SegmentWriter& writer);
  Status add_part(SegmentWriter& writer);
  Status make_ready(std::size_t begin, Batch& batch);
  Status read_copied(Batch& batch);
  Status code(std::size_t begin, std::size_t end, Batch& batch) const;
  void copy_code(const Place& place, std::size_t i, Batch& batch) const;
  Status load_row(const Place& place, std::byte* kept, CodedRow& row) const;
  Status find_centroid();
  Status write(const Batch& batch, SegmentWriter& writer);
  [[nodiscard]] const std::uint16_t* centroid_of(std::uint32_t list) const;
  Status add_chunks(SegmentWriter& writer);
  Status add_chunks_of(std::size_t begin, std::size_t end, SegmentWriter& writer);
  Result<std::vector<BlockPtr>> read(const std::vector<PageWant>& wants);
  [[nodiscard]] std::size_t scratch_stride() const;
  void tell(std::uint64_t rows);
  void trim() const;

  IndexImpl& index_;
  SnapshotPtr snapshot_;
  std::vector<SegmentPtr> inputs_;
  OpenTreePtr tree_;
  Deadline deadline_;
  const Space& space_;
  std::uint32_t dimension_;
  std::uint32_t padded_;
  std::shared_ptr<const Rotation> rotation_;
  std::uint32_t window_rows_;
  Calibration* calibration_ = nullptr;
  const RowsProgress* progress_ = nullptr;
  std::uint64_t told_ = 0;  // rows placed, and rows written

  std::vector<std::vector<std::uint32_t>> maps_;
  std::vector<Object> objects_;
  std::string last_key_;
  Places places_;
  std::span<const Place> part_;            // of them, that is being written
  std::size_t part_begin_ = 0;             // the new row of its first
  std::vector<std::uint32_t> row_of_;      // new row of each new chunk
  std::vector<std::uint16_t> centroid_;    // of a segment of one list
  std::vector<std::uint64_t> scratch_at_;  // of each input that is encoded: where its rows begin
  Scratch scratch_;
  Scratch file_;
  SegmentEntry entry_;
  bool has_segment_ = false;
};

}  // namespace kedge
