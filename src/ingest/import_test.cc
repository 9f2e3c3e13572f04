// Records of a file, batch after batch: the next is made ready while one is committed, and that
// shows in nothing but the time it takes.
#include "ingest/import.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "store/counting_store.h"
#include "store/fault_store.h"
#include "store/memory_store.h"

namespace kedge {
namespace {

// Records as they are given, in memory; behind them the end, or what cannot be read.
class Records final : public VectorInput {
 public:
  explicit Records(std::vector<VectorRecord> records, bool ends = true)
      : records_(std::move(records)), ends_(ends) {}
  [[nodiscard]] std::uint32_t dimension() const override { return 4; }
  [[nodiscard]] std::optional<std::uint64_t> count() const override { return records_.size(); }
  Result<bool> next(VectorRecord& record) override {
    if (at_ == records_.size() && !ends_) return {Code::kInvalid, "row 3 is no record"};
    if (at_ == records_.size()) return false;
    record = records_[at_++];
    return true;
  }
  Result<std::vector<float>> sample(std::size_t, std::uint64_t) override {
    return {Code::kUnsupported, "not of this input"};
  }

 private:
  std::vector<VectorRecord> records_;
  bool ends_;
  std::size_t at_ = 0;
};

VectorRecord record(std::string id, std::vector<float> values) {
  return {.id = std::move(id), .values = std::move(values), .metadata = {}};
}

class ImportTest : public testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override {
    options_.batch = 1;
    options_.on_progress = [this](std::uint64_t records) { told_.push_back(records); };
    index_ =
        *Index::create({faulty_, clock_, random_, *executor_, silent_log()}, {}, Deadline::never());
  }

  Result<ImportReport> import(Records& records) {
    return import_vectors(*index_, records, "records.jsonl", options_, *executor_,
                          Deadline::never());
  }
  std::optional<std::vector<float>> vector_of(const std::string& id) {
    const SnapshotPtr snapshot = *index_->latest(Deadline::never());
    const ObjectKey key{snapshot->source(kRecordsUri)->number, id};
    const auto found = *index_->find(snapshot, {&key, 1}, Deadline::never());
    if (!found.front()) return std::nullopt;
    return *index_->vectors(snapshot, *found.front(), Deadline::never());
  }

  ManualClock clock_;  // it does not move: all records are read at one moment
  SeededRandom random_{7};
  MemoryStore store_{clock_};
  FaultStore faulty_{store_, clock_};
  std::unique_ptr<Executor> executor_ = make_thread_pool(GetParam());
  std::unique_ptr<Index> index_;
  ImportOptions options_;
  std::vector<std::uint64_t> told_;
};

INSTANTIATE_TEST_SUITE_P(Threads, ImportTest, testing::Values(1, 2, 4));

TEST_P(ImportTest, ALaterRecordTakesThePlaceOfAnEarlierOne) {
  std::vector<VectorRecord> records;
  for (int i = 0; i < 8; ++i) {
    std::vector<float> values(4);
    values[static_cast<std::size_t>(i % 4)] = i < 4 ? 1.F : -1.F;
    records.push_back(record("same", values));
  }
  Records input(records);
  const auto report = import(input);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->records, 8U);
  EXPECT_EQ(report->commits, 8U);
  EXPECT_EQ(told_, (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(vector_of("same"), (std::vector<float>{0, 0, 0, -1}));
}

TEST_P(ImportTest, WhatIsBeforeABadRecordStays) {
  Records input({record("a", {1, 0, 0, 0}), record("b", {0, 1, 0, 0}), record("bad", {0, 0, 0, 0}),
                 record("never", {0, 0, 1, 0})});
  const auto report = import(input);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.code(), Code::kInvalid);
  EXPECT_EQ(report.error().message,
            "records.jsonl: record 'bad': its length is zero, or not finite: it has no direction");
  EXPECT_EQ(told_, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(vector_of("a"), (std::vector<float>{1, 0, 0, 0}));
  EXPECT_EQ(vector_of("b"), (std::vector<float>{0, 1, 0, 0}));
  EXPECT_EQ(vector_of("never"), std::nullopt);
}

TEST_P(ImportTest, WhatIsBeforeARowThatCannotBeReadStays) {
  options_.batch = 2;
  Records input({record("a", {1, 0, 0, 0}), record("b", {0, 1, 0, 0}), record("c", {0, 0, 1, 0})},
                false);
  const auto report = import(input);
  EXPECT_EQ(report.code(), Code::kInvalid);
  EXPECT_EQ(report.error().message, "row 3 is no record");
  EXPECT_EQ(told_, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(vector_of("c"), (std::vector<float>{0, 0, 1, 0}));
}

// What was made ready after it must not be committed.
TEST_P(ImportTest, NothingFollowsACommitThatFailed) {
  Records first({record("a", {1, 0, 0, 0})});
  ASSERT_TRUE(import(first).ok());
  faulty_.add({.fault = Fault::kBefore,
               .skip = 0,
               .times = 1,
               .operation = Operation::kPut,
               .detail = {.code = Code::kDenied}});
  Records input({record("b", {0, 1, 0, 0}), record("c", {0, 0, 1, 0})});
  const auto report = import(input);
  EXPECT_EQ(report.code(), Code::kDenied);
  EXPECT_EQ(vector_of("a"), (std::vector<float>{1, 0, 0, 0}));
  EXPECT_EQ(vector_of("b"), std::nullopt);
  EXPECT_EQ(vector_of("c"), std::nullopt);
}

}  // namespace
}  // namespace kedge
