// What requests to a bucket cost.
#pragma once

#include "kedge/usage.h"
#include "store/counting_store.h"

namespace kedge {

// USD a thousand requests of an operation, by the price list of AWS S3 (Standard, us-east-1, as of
// 2025). Other regions, classes and vendors differ: every figure made from it says "about".
double price_of_thousand(Operation operation);

// Of everything that was counted. A large object that goes up in parts counts as one request.
StoreUsage usage_of(const StoreCounts& counts, bool billed);
void add(StoreUsage& sum, const StoreUsage& more);
// The later less the earlier.
StoreUsage difference(const StoreUsage& later, const StoreUsage& earlier);
// The price of what is in its fields; for forecasts.
double cost_of(const StoreUsage& usage);

}  // namespace kedge
