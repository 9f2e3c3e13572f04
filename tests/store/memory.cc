#include "base/clock.h"
#include "store/memory_store.h"
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

}  // namespace
}  // namespace kedge
