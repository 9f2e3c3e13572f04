#include "engine/train.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/random.h"
#include "engine/row_coder.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr std::size_t kBlocksPerRead = 64;
constexpr std::uint64_t kLeastSample = 16'384;
// Of the sample that are f32 at once, whatever its dimension: a build keeps to its memory.
constexpr std::size_t kBytesAtOnce = 4 << 20;
constexpr float kLargestValue = 60'000;  // a half ends at 65,504, and a centroid here

std::vector<PageWant> vector_blocks(const std::vector<SegmentPtr>& segments) {
  std::vector<PageWant> blocks;
  for (const SegmentPtr& segment : segments) {
    for (std::size_t b = 0; b < segment->directory().vectors.size(); ++b)
      blocks.push_back(vectors_want(*segment, b));
  }
  return blocks;
}

// `parts` of them, evenly spread: rows lie by key or by list, and a run of either is no sample.
std::vector<PageWant> evenly(const std::vector<PageWant>& blocks, std::size_t parts) {
  parts = std::min(parts, blocks.size());
  std::vector<PageWant> out;
  for (std::size_t part = 0; part < parts; ++part)
    out.push_back(blocks[(2 * part + 1) * blocks.size() / (2 * parts)]);
  return out;
}

// Rows of the sample, evenly spread, stand for questions.
std::vector<float> questions_of(const Rows& sample) {
  const std::size_t asked = std::min(Calibration::kQuestions, sample.count);
  std::vector<float> questions(asked * sample.padded);
  for (std::size_t q = 0; q < asked; ++q)
    sample.copy(q * sample.count / asked, questions.data() + q * sample.padded);
  return questions;
}

// Asks the sample which penalties find its own nearest rows in the fewest lists.
Tree with_best_penalties(Tree tree, const Rows& sample, Metric metric, Executor& executor) {
  const std::uint32_t padded = sample.padded;
  const std::size_t rows_at_once = kBytesAtOnce / (padded * sizeof(float));
  Calibration calibration(questions_of(sample), padded, metric);
  std::vector<double> spreads(tree.leaf_count());
  std::vector<std::uint32_t> rows(tree.leaf_count());
  std::vector<float> some;
  std::vector<std::uint32_t> lists;
  for (std::size_t at = 0; at < sample.count; at += rows_at_once) {
    const std::size_t count = std::min(rows_at_once, sample.count - at);
    some.resize(count * padded);
    lists.resize(count);
    for (std::size_t i = 0; i < count; ++i) sample.copy(at + i, some.data() + i * padded);
    tree.assign(some.data(), count, lists.data(), executor);
    calibration.add(tree, some.data(), lists.data(), count, executor);
    for (std::size_t i = 0; i < count; ++i) {
      spreads[lists[i]] +=
          kernels().l2_f32(some.data() + i * padded, tree.centroid_f32(lists[i]), padded);
      ++rows[lists[i]];
    }
  }
  // A leaf that no row of the sample lies in is as wide as the others.
  const double usual = sample.count == 0 ? 0
                                         : std::accumulate(spreads.begin(), spreads.end(), 0.0) /
                                               static_cast<double>(sample.count);
  std::vector<float> means;
  for (std::size_t leaf = 0; leaf < spreads.size(); ++leaf)
    means.push_back(static_cast<float>(rows[leaf] > 0 ? spreads[leaf] / rows[leaf] : usual));
  std::vector<float> best = calibration.best_penalties(tree, means);
  return std::move(tree).with_penalties(std::move(best));
}

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
  for (const SegmentPtr& segment : segments) rows += segment->directory().rows;
  TreeOptions options;
  options.rows = rows;
  options.leaf_rows = index.options().list_rows > 0 ? index.options().list_rows : rows_a_list(rows);
  const std::uint64_t lists = std::max<std::uint64_t>(rows / options.leaf_rows, 1);
  const std::uint64_t room =
      index.options().memory_bytes / 2 / (std::size_t{padded} * sizeof(std::uint16_t));
  const std::uint64_t wanted =
      std::max<std::uint64_t>(std::min(lists * kSampleRowsPerList, room), kLeastSample);
  const std::vector<PageWant> chosen =
      evenly(vector_blocks(segments), (wanted + kVectorBlockRows - 1) / kVectorBlockRows);
  std::vector<std::uint16_t> sample;
  sample.reserve(chosen.size() * kVectorBlockRows * padded);
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
      std::vector<float> rotated(padded);
      for (std::uint32_t r = 0; r < read[b]->vectors.row_count(); ++r) {
        rotate.apply(read[b]->vectors.row(r).values, rotated.data());
        for (float& value : rotated) value = std::clamp(value, -kLargestValue, kLargestValue);
        kernels().f32_to_f16(rotated.data(), sample.data() + begins[b] + std::size_t{r} * padded,
                             padded);
      }
    });
  }
  const std::size_t count = sample.size() / padded;
  const Rows all = Rows::of_halves(sample.data(), count, padded);
  Tree tree = Tree::train(all, options, index.environment().executor);
  tree = with_best_penalties(std::move(tree), all, space.metric, index.environment().executor);
  TrainedTree out;
  TreeEntry entry;
  entry.id = index.random_id();
  entry.space = space.id();
  entry.leaves = tree.leaf_count();
  entry.rows = rows;
  out.file = encode_tree(body_of(entry.id, entry.space, tree));
  entry.bytes = out.file.size();
  out.tree = std::make_shared<const OpenTree>(entry, std::move(tree));
  out.calibration = std::make_unique<Calibration>(questions_of(all), padded, space.metric);
  return out;
}

Result<std::unique_ptr<Calibration>> sample_questions(IndexImpl& index, const Snapshot& snapshot,
                                                      const std::vector<SegmentPtr>& segments,
                                                      Deadline deadline) {
  const Space& space = *snapshot.space(segments.front()->entry().space);
  const std::uint32_t padded = padded_dimension(space.dimension);
  const std::vector<PageWant> chosen = evenly(vector_blocks(segments), Calibration::kQuestions);
  const std::size_t of_each = (Calibration::kQuestions + chosen.size() - 1) / chosen.size();
  RowRotation rotate(space, snapshot.rotation(space.id()));
  std::vector<float> questions;
  for (std::size_t at = 0; at < chosen.size(); at += kBlocksPerRead) {
    const auto some = std::span(chosen).subspan(at, std::min(kBlocksPerRead, chosen.size() - at));
    const std::vector<BlockPtr> read =
        KEDGE_TRY(index.reader().read_all(*snapshot.head(), some, nullptr, deadline, Keep::kNever));
    for (const BlockPtr& block : read) {
      const std::uint32_t rows = block->vectors.row_count();
      const std::size_t take = std::min<std::size_t>(of_each, rows);
      for (std::size_t i = 0; i < take; ++i) {
        questions.resize(questions.size() + padded);
        rotate.apply(block->vectors.row(static_cast<std::uint32_t>(i * rows / take)).values,
                     questions.data() + questions.size() - padded);
      }
    }
  }
  return std::make_unique<Calibration>(std::move(questions), padded, space.metric);
}

}  // namespace kedge
