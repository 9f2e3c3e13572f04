#include "base/clock.h"
#include "store/counting_store.h"
#include "store/delay_store.h"
#include "store/fault_store.h"
#include "store/hook_store.h"
#include "store/memory_store.h"
#include "store/prefix_store.h"
#include "store/retry_store.h"
#include "tests/store/conformance.h"

namespace kedge {
namespace {

class MemoryUnderTest final : public StoreUnderTest {
 public:
  explicit MemoryUnderTest(MemoryStoreOptions options) : store_(system_clock(), options) {}
  ObjectStore& store() override { return store_; }

 private:
  MemoryStore store_;
};

// All wrappers on one another, none of them doing anything that the contract would not allow.
class WrappedUnderTest final : public StoreUnderTest {
 public:
  ObjectStore& store() override { return prefix_; }

 private:
  SeededRandom random_{1};
  ManualClock clock_;
  MemoryStore memory_{system_clock()};
  FaultStore fault_{memory_, clock_};
  DelayStore delay_{fault_, clock_, random_, {.median = Duration(10), .p99 = Duration(20)}};
  RetryStore retry_{delay_, clock_, random_};
  HookStore hook_{retry_, [](const Call&, Moment) {}, {.split_batches = true}};
  CountingStore counting_{hook_};
  PrefixStore prefix_{counting_, ""};
};

StoreCase memory_case(std::string name, MemoryStoreOptions options) {
  return {.name = std::move(name),
          .make = [options] { return std::make_unique<MemoryUnderTest>(options); }};
}

INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance,
                         testing::Values(memory_case("content_tags", {}),
                                         memory_case("unique_tags", {.tags = MemoryTags::kUnique}),
                                         memory_case("unordered", {.ordered = false}),
                                         memory_case("whole_seconds",
                                                     {.clock_step = std::chrono::seconds(1)})),
                         [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(Wrapped, StoreConformance,
                         testing::Values(StoreCase{
                             .name = "all",
                             .make = [] { return std::make_unique<WrappedUnderTest>(); }}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace kedge
