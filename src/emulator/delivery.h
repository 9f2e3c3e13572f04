// How an answer goes over the wire: whole, or as its faults say; at the bandwidth that was set.
#pragma once

#include <cstdint>
#include <mutex>

#include "base/clock.h"
#include "emulator/faults.h"
#include "emulator/operations.h"
#include "net/http_server.h"

namespace kedge::emulator {

// What all connections share: bytes go through one after the other. Threads: any.
class Link {
 public:
  // When `bytes` that are asked for at `now` are through, after all that was asked for before.
  Duration take(std::uint64_t bytes, std::uint64_t bandwidth, Duration now);

 private:
  std::mutex mutex_;
  Duration free_{0};
};

// How fast answers go, in bytes a second; 0: no limit.
struct Pace {
  std::uint64_t bandwidth = 0;  // of each connection
  std::uint64_t shared = 0;     // of all together
  Link& link;
};

// False: the answer was cut by a fault or the client went.
bool deliver(HttpExchange& exchange, const Reply& reply, const FaultPlan& plan, const Pace& pace,
             Clock& clock);

// Waits until the client goes or the server stops.
void stall(HttpExchange& exchange);

}  // namespace kedge::emulator
