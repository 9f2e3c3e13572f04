#include "engine/train.h"

#include <algorithm>
#include <utility>

#include "base/random.h"
#include "engine/row_coder.h"

namespace kedge {
namespace {

constexpr std::size_t kBlocksPerRead = 256;

}  // namespace

// The number of lists grows with the root of the rows up to a million of them: what is looked into
// is a few lists and their centroids, and both should cost the same.
std::uint32_t rows_a_list(std::uint64_t rows) {
  if (rows < 80'000) return 256;
  if (rows < 250'000) return 384;
  if (rows < 2'000'000) return 512;
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(1024, rows / kMaxLists));
}

Result<TrainedTree> train_tree(IndexImpl& index, const Snapshot& snapshot,
                               const std::vector<SegmentPtr>& segments, Deadline deadline) {
  const SegmentEntry& first = segments.front()->entry();
  const Space& space = *snapshot.space(first.space);
  const std::uint32_t padded = padded_dimension(space.dimension);
  const auto rotation = snapshot.rotation(space.id());
  std::uint64_t rows = 0;
  std::vector<PageWant> blocks;
  for (const SegmentPtr& segment : segments) {
    rows += segment->directory().rows;
    for (std::size_t b = 0; b < segment->directory().vectors.size(); ++b)
      blocks.push_back(vectors_want(*segment, b));
  }
  TreeOptions options;
  options.rows = rows;
  options.leaf_rows = index.options().list_rows > 0 ? index.options().list_rows : rows_a_list(rows);
  const std::uint64_t lists = std::max<std::uint64_t>(rows / options.leaf_rows, 1);
  // Every n-th block: rows lie by key or by list, and a run of either is no sample.
  const std::uint64_t wanted = std::max<std::uint64_t>(lists * kSampleRowsPerList, 16'384);
  const std::uint64_t wanted_blocks = (wanted + kVectorBlockRows - 1) / kVectorBlockRows;
  const std::size_t step = std::max<std::size_t>(blocks.size() / wanted_blocks, 1);
  std::vector<PageWant> chosen;
  for (std::size_t b = step / 2; b < blocks.size(); b += step) chosen.push_back(blocks[b]);
  std::vector<float> sample;
  for (std::size_t at = 0; at < chosen.size(); at += kBlocksPerRead) {
    const auto some = std::span(chosen).subspan(at, std::min(kBlocksPerRead, chosen.size() - at));
    const std::vector<BlockPtr> read =
        KEDGE_TRY(index.reader().read_all(*snapshot.head(), some, nullptr, deadline, Keep::kNever));
    std::vector<std::size_t> begins;
    std::size_t end = sample.size();
    for (const BlockPtr& block : read) {
      begins.push_back(end);
      end += std::size_t{block->vectors.row_count()} * padded;
    }
    sample.resize(end);
    index.environment().executor.parallel_for(read.size(), [&](std::size_t b) {
      RowRotation rotate(space, rotation);
      for (std::uint32_t r = 0; r < read[b]->vectors.row_count(); ++r)
        rotate.apply(read[b]->vectors.row(r).values,
                     sample.data() + begins[b] + std::size_t{r} * padded);
    });
  }
  const std::size_t count = sample.size() / padded;
  Tree tree = Tree::train(sample.data(), count, padded, options, index.environment().executor);
  TrainedTree out;
  TreeEntry entry;
  entry.id = index.random_id();
  entry.space = space.id();
  entry.leaves = tree.leaf_count();
  entry.rows = rows;
  out.file = encode_tree(body_of(entry.id, entry.space, tree));
  entry.bytes = out.file.size();
  out.tree = std::make_shared<const OpenTree>(entry, std::move(tree));
  // Rows of the sample, evenly spread, stand for questions.
  std::vector<float> questions;
  const std::size_t asked = std::min(Calibration::kQuestions, count);
  for (std::size_t q = 0; q < asked; ++q) {
    const float* row = sample.data() + (q * count / asked) * padded;
    questions.insert(questions.end(), row, row + padded);
  }
  out.calibration = std::make_unique<Calibration>(std::move(questions), padded, space.metric);
  return out;
}

}  // namespace kedge
