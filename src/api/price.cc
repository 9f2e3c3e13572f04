#include "api/price.h"

#include <utility>

namespace kedge {
namespace {

constexpr std::pair<Operation, double> kUsdPerThousand[] = {
    {Operation::kRead, 0.0004}, {Operation::kStat, 0.0004},  {Operation::kTags, 0.0004},
    {Operation::kPut, 0.005},   {Operation::kCreate, 0.005}, {Operation::kSwap, 0.005},
    {Operation::kList, 0.005},  {Operation::kRemove, 0},     {Operation::kNow, 0},
};
static_assert(std::size(kUsdPerThousand) == kOperationCount);

}  // namespace

double price_of_thousand(Operation operation) {
  for (const auto& [priced, usd] : kUsdPerThousand)
    if (priced == operation) return usd;
  return 0;
}

double cost_of(const StoreUsage& usage) {
  const std::pair<Operation, std::uint64_t> made[] = {
      {Operation::kRead, usage.reads},     {Operation::kStat, usage.stats},
      {Operation::kPut, usage.puts},       {Operation::kCreate, usage.creates},
      {Operation::kSwap, usage.swaps},     {Operation::kList, usage.lists},
      {Operation::kRemove, usage.removes}, {Operation::kRead, usage.hedges},
  };
  double sum = 0;
  for (const auto& [operation, count] : made)
    sum += static_cast<double>(count) * price_of_thousand(operation) / 1000;
  return sum;
}

StoreUsage usage_of(const StoreCounts& counts, bool billed) {
  StoreUsage out;
  // Tags are read by a GET of their own, at the price of any.
  out.reads = counts.of(Operation::kRead).requests + counts.of(Operation::kTags).requests;
  out.stats = counts.of(Operation::kStat).requests;
  out.puts = counts.of(Operation::kPut).requests;
  out.creates = counts.of(Operation::kCreate).requests;
  out.swaps = counts.of(Operation::kSwap).requests;
  out.removes = counts.of(Operation::kRemove).requests;
  out.lists = counts.of(Operation::kList).requests;
  out.hedges = counts.of(Operation::kRead).hedges + counts.of(Operation::kStat).hedges;
  out.bytes_in = counts.bytes_read();
  out.bytes_out = counts.bytes_written();
  out.billed = billed;
  if (billed) out.cost_usd = cost_of(out);
  return out;
}

void add(StoreUsage& sum, const StoreUsage& more) {
  sum.reads += more.reads;
  sum.stats += more.stats;
  sum.puts += more.puts;
  sum.creates += more.creates;
  sum.swaps += more.swaps;
  sum.removes += more.removes;
  sum.lists += more.lists;
  sum.hedges += more.hedges;
  sum.bytes_in += more.bytes_in;
  sum.bytes_out += more.bytes_out;
  sum.billed |= more.billed;
  sum.cost_usd += more.cost_usd;
}

StoreUsage difference(const StoreUsage& later, const StoreUsage& earlier) {
  return {.reads = later.reads - earlier.reads,
          .stats = later.stats - earlier.stats,
          .puts = later.puts - earlier.puts,
          .creates = later.creates - earlier.creates,
          .swaps = later.swaps - earlier.swaps,
          .removes = later.removes - earlier.removes,
          .lists = later.lists - earlier.lists,
          .hedges = later.hedges - earlier.hedges,
          .bytes_in = later.bytes_in - earlier.bytes_in,
          .bytes_out = later.bytes_out - earlier.bytes_out,
          .billed = later.billed,
          .cost_usd = later.cost_usd - earlier.cost_usd};
}

}  // namespace kedge
