#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <latch>
#include <new>
#include <stdexcept>
#include <thread>

#include "base/allocation.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/strings.h"

namespace kedge {
namespace {

// The check value of RFC 3720, B.4, and continuation in pieces of every size.
TEST(Crc32c, MatchesTheStandardInPiecesOfAnySize) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283U);
  EXPECT_EQ(crc32c(Bytes(32, std::byte{0})), 0x8A9136AAU);
  const std::string text = "The quick brown fox jumps over the lazy dog, twice, for length.";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const std::string_view view = text;
    EXPECT_EQ(crc32c(as_bytes(view.substr(cut)), crc32c(as_bytes(view.substr(0, cut)))),
              crc32c(as_bytes(text)))
        << "cut at " << cut;
  }
}

Status fails_with(const std::exception& exception) try {
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) throw std::bad_alloc();
  if (dynamic_cast<const std::length_error*>(&exception) != nullptr) throw std::length_error("");
  throw std::out_of_range("");
} catch (...) {
  return memory_error("a page");
}

// What is not of memory is a bug, and is not hidden as a want of it.
TEST(MemoryError, IsMadeOfBothExceptionsAndOfNoOther) {
  const Status bad_alloc = fails_with(std::bad_alloc());
  ASSERT_FALSE(bad_alloc.ok());
  EXPECT_EQ(bad_alloc.code(), Code::kExhausted);
  EXPECT_EQ(bad_alloc.error().message, "a page: no memory");
  EXPECT_TRUE(is_memory_error(fails_with(std::length_error("")).error()));
  EXPECT_THROW((void)fails_with(std::out_of_range("")), std::out_of_range);
  EXPECT_FALSE(is_memory_error({Code::kExhausted, "more than 64 levels"}));
  EXPECT_FALSE(is_memory_error({Code::kUnavailable, "the store says: no memory"}));
}

// FIPS 180-2 test vector.
TEST(Sha256, MatchesTheStandard) {
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_128(as_bytes("abc")).hex(), "ba7816bf8f01cfea414140de5dae2223");
}

// The tag of a file is the same whether it was hashed in one piece or in several.
TEST(Xxh3Stream, PiecesHashLikeTheWhole) {
  const Bytes bytes = to_bytes(std::string(1000, 'x') + "tail");
  for (const std::size_t piece : {1, 7, 240, 1004}) {
    Xxh3Stream stream;
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      stream.update(ByteView(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    EXPECT_EQ(stream.finish(), xxh3_128(bytes)) << "pieces of " << piece;
  }
}

TEST(Id128, ParsesWhatItPrintsAndNothingElse) {
  SeededRandom random(7);
  const Id128 id = Id128::random(random);
  EXPECT_EQ(Id128::parse(id.hex()).value(), id);
  for (const char* bad :
       {"", "00", "BA7816BF8F01CFEA414140DE5DAE2223", "zz7816bf8f01cfea414140de5dae2223"}) {
    EXPECT_EQ(Id128::parse(bad).code(), Code::kInvalid) << bad;
  }
}

TEST(ByteReader, StaysInsideAndStaysFailed) {
  ByteWriter writer;
  writer.put(std::uint16_t{0x1234});
  writer.put_string("key");
  const Bytes bytes = std::move(writer).take();
  ByteReader reader(bytes);
  EXPECT_EQ(reader.get<std::uint16_t>(), 0x1234);
  EXPECT_EQ(reader.get_string(10), "key");
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.get<std::uint8_t>(), 0);
  EXPECT_FALSE(reader.ok());
  ByteReader limited(ByteView(bytes).subspan(2));
  EXPECT_EQ(limited.get_string(2), "");
  EXPECT_FALSE(limited.ok());
}

TEST(Clock, PrintsAndParsesTimes) {
  EXPECT_EQ(to_rfc3339({1'772'366'400'000'000}), "2026-03-01T12:00:00Z");
  EXPECT_EQ(to_rfc3339({1'772'366'400'000'001}), "2026-03-01T12:00:00.000001Z");
  EXPECT_EQ(to_rfc3339({}), "");
  EXPECT_EQ(parse_rfc3339("2026-03-01T12:00:00.000001Z").value().micros, 1'772'366'400'000'001);
  EXPECT_EQ(parse_rfc3339("2026-03-01T12:00:00+01:00").code(), Code::kInvalid);
  EXPECT_EQ(parse_rfc3339("yesterday").code(), Code::kInvalid);
}

// A name from a bucket must not move a cursor or close a quote.
TEST(Strings, PrintableLeavesNothingThatSteersATerminal) {
  EXPECT_EQ(printable("docs/a.md"), "docs/a.md");
  EXPECT_EQ(printable("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(printable("a\x1b[31m'\n\xff"), "a\\x1b[31m\\x27\\x0a\\xff");
  EXPECT_EQ(printable("\xe2\x80\xae"), "\\xe2\\x80\\xae");
  EXPECT_EQ(printable(std::string(300, 'a')).size(), 203U);
}

TEST(Executor, RunsEveryIndexOnceAlsoWhenNested) {
  for (const std::size_t threads : {1, 2, 5}) {
    const auto pool = make_thread_pool(threads);
    std::vector<std::atomic<int>> seen(300);
    pool->parallel_for(30, [&](std::size_t i) {
      pool->parallel_for(10, [&](std::size_t j) { ++seen[i * 10 + j]; });
    });
    for (std::size_t i = 0; i < seen.size(); ++i)
      ASSERT_EQ(seen[i].load(), 1) << i << ", " << threads;
  }
}

TEST(Id128, SortsAsItsDigits) {
  SeededRandom random(19);
  for (int i = 0; i < 2000; ++i) {
    const Id128 a = Id128::random(random);
    Id128 b = a;
    // They differ in one byte or more, the first of them anywhere.
    for (std::uint64_t at = random.below(16); at < 16; ++at)
      b.bytes[at] = static_cast<std::byte>(random.below(256));
    EXPECT_EQ(a < b, a.hex() < b.hex()) << a.hex() << " " << b.hex();
    EXPECT_EQ(a == b, a.hex() == b.hex());
    EXPECT_FALSE(a < a);
  }
}

// Which flags the kernel keeps of the mapping at an address: of /proc/self/smaps.
std::string flags_of(const std::byte* at) {
  std::ifstream maps("/proc/self/smaps");
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long long begin = 0;
    unsigned long long end = 0;
    if (std::sscanf(line.c_str(), "%llx-%llx ", &begin, &end) == 2) {
      const auto address = reinterpret_cast<std::uintptr_t>(at);
      here = begin <= address && address < end;
    } else if (here && line.starts_with("VmFlags:")) {
      return line + " ";
    }
  }
  return "";
}

// A mapping is not split for what has no huge page whole in it: there may be only so many of them.
TEST(Memory, HugePagesAreAskedForWholeOnesAlone) {
  constexpr std::size_t kBytes = 4 * kHugePageBytes;
  void* const mapped =
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  auto* const first = static_cast<std::byte*>(mapped);
  const std::size_t past = reinterpret_cast<std::uintptr_t>(first) % kHugePageBytes;
  std::byte* const whole = first + (past == 0 ? 0 : kHugePageBytes - past);
  if (flags_of(first).empty() || !std::filesystem::exists("/sys/kernel/mm/transparent_hugepage")) {
    ::munmap(mapped, kBytes);
    GTEST_SKIP() << "SKIPPED: no huge pages here, or none that /proc/self/smaps tells of";
  }
  prefer_huge_pages(whole + 4096, kHugePageBytes);
  for (const std::size_t at : {std::size_t{4096}, kHugePageBytes})
    EXPECT_EQ(flags_of(whole + at).find(" hg "), std::string::npos) << "no whole one; " << at;
  prefer_huge_pages(whole + 1, 2 * kHugePageBytes);
  EXPECT_EQ(flags_of(whole).find(" hg "), std::string::npos);
  EXPECT_NE(flags_of(whole + kHugePageBytes).find(" hg "), std::string::npos);
  EXPECT_EQ(flags_of(whole + 2 * kHugePageBytes).find(" hg "), std::string::npos);
  ::munmap(mapped, kBytes);
}

TEST(Executor, RunsBothInOrderOrAtOnce) {
  std::vector<int> order;
  inline_executor().run_both([&] { order.push_back(1); }, [&] { order.push_back(2); });
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  for (const std::size_t threads : {1, 2, 5}) {
    const auto pool = make_thread_pool(threads);
    std::vector<std::atomic<int>> seen(200);
    const auto half = [&](std::size_t from) {
      pool->parallel_for(100, [&, from](std::size_t i) { ++seen[from + i]; });
    };
    for (int round = 1; round <= 50; ++round) {
      pool->run_both([&] { half(0); }, [&] { half(100); });
      for (std::size_t i = 0; i < seen.size(); ++i) ASSERT_EQ(seen[i].load(), round) << i;
    }
  }
}

// The parts are on different threads, and the loop of the second needs that of the first: each
// index of it waits until the other runs too.
TEST(Executor, WhoeverHasEndedItsPartHelpsTheOther) {
  const auto pool = make_thread_pool(2);
  std::latch second_has_begun(1);
  std::latch together(2);
  pool->run_both([&] { second_has_begun.wait(); },
                 [&] {
                   second_has_begun.count_down();
                   pool->parallel_for(2, [&](std::size_t) { together.arrive_and_wait(); });
                 });
  EXPECT_TRUE(together.try_wait());
}

TEST(Executor, RangesMakeUpTheWholeAndTheFirstErrorIsTold) {
  const auto pool = make_thread_pool(3);
  for (const std::size_t count : {0, 1, 7, 8, 9}) {
    std::vector<std::atomic<int>> seen(count);
    parallel_ranges(*pool, count, 4, [&](std::size_t begin, std::size_t end) {
      EXPECT_EQ(begin % 4, 0U);
      for (std::size_t i = begin; i < end; ++i) ++seen[i];
    });
    for (const auto& times : seen) EXPECT_EQ(times.load(), 1) << count;
  }
  std::atomic<int> called{0};
  const Status status = try_ranges(*pool, 20, 4, [&](std::size_t begin, std::size_t) -> Status {
    ++called;
    if (begin < 8) return {};
    return {Code::kInvalid, str_cat("range ", begin)};
  });
  EXPECT_EQ(status.error().message, "range 8");
  EXPECT_EQ(called.load(), 5);
}

TEST(Random, NormalHasMeanDeviationAndTails) {
  SeededRandom random(17);
  constexpr int kDraws = 200'000;
  double sum = 0;
  double squares = 0;
  int above = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = random.normal();
    sum += value;
    squares += value * value;
    above += value > 2.3263478740408408 ? 1 : 0;  // one in a hundred
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.01);
  EXPECT_NEAR(squares / kDraws, 1, 0.01);
  EXPECT_NEAR(above / static_cast<double>(kDraws), 0.01, 0.001);
}

// One seed, one sequence: traces depend on it.
TEST(Random, SeededSequencesRepeatAndStayInBounds) {
  SeededRandom a(42);
  SeededRandom b(42);
  SeededRandom c(43);
  bool differs = false;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = a.next();
    EXPECT_EQ(value, b.next());
    differs |= value != c.next();
    EXPECT_LT(a.below(7), 7U);
    b.below(7);
  }
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace kedge
