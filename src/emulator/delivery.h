// How an answer goes over the wire: whole, or as its faults say; at the bandwidth that was set.
#pragma once

#include "emulator/faults.h"
#include "emulator/operations.h"
#include "net/http_server.h"

namespace kedge::emulator {

// False: the answer was cut by a fault or the client went.
bool deliver(HttpExchange& exchange, const Reply& reply, const FaultPlan& plan,
             std::uint64_t bandwidth, Clock& clock);

// Waits until the client goes or the server stops.
void stall(HttpExchange& exchange);

}  // namespace kedge::emulator
