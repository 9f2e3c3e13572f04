#include "format/hostile_test.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> g_largest_allocation = 0;

void* count_and_allocate(std::size_t size) {
  std::size_t before = g_largest_allocation.load();
  while (size > before && !g_largest_allocation.compare_exchange_weak(before, size)) {
  }
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return count_and_allocate(size); }
void* operator new[](std::size_t size) { return count_and_allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace kedge::test {

std::size_t take_largest_allocation() { return g_largest_allocation.exchange(0); }

namespace {

// As a library would meet it: an allocation of exactly that size.
Status parse_exact(ByteView bytes, const Parse& parse) {
  const Bytes exact(bytes.begin(), bytes.end());
  return parse(exact);
}

}  // namespace

void expect_hostile_safe(ByteView good, std::uint64_t seed, const Parse& parse,
                         std::size_t expansion) {
  const std::size_t limit = good.size() * expansion + 8192;
  const Bytes original(good.begin(), good.end());
  for (std::size_t size = 0; size < good.size(); ++size) {
    const Status status = parse_exact(good.first(size), parse);
    ASSERT_FALSE(status.ok()) << "accepted when cut at " << size << " of " << good.size();
  }
  SeededRandom random(seed);
  const std::uint32_t crc = crc32c(good);
  Bytes bytes;
  take_largest_allocation();
  for (int i = 0; i < 4000; ++i) {
    bytes = original;
    const std::size_t at = random.below(bytes.size());
    bytes[at] ^= static_cast<std::byte>(1U << random.below(8));
    ASSERT_NE(crc32c(bytes), crc) << "offset " << at;
    (void)parse_exact(bytes, parse);
    ASSERT_LE(take_largest_allocation(), limit) << "seed " << seed << ", offset " << at;
  }
  for (std::size_t at = 0; at + 4 <= std::min<std::size_t>(good.size(), 512); ++at) {
    for (const std::uint32_t value : {0xFFFF'FFFFU, 0x7FFF'FFFFU, 0x00FF'FFFFU, 0x0100'0000U}) {
      bytes = patched(good, {at, value, 4, ""});
      (void)parse_exact(bytes, parse);
      ASSERT_LE(take_largest_allocation(), limit) << "offset " << at << ", value " << value;
    }
  }
}

}  // namespace kedge::test
