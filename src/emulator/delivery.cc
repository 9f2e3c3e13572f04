#include "emulator/delivery.h"

#include <algorithm>
#include <limits>

namespace kedge::emulator {
namespace {

constexpr std::size_t kPieces = 32;           // of one write
constexpr std::uint64_t kMinPaced = 4 << 10;  // bytes of one paced write
constexpr std::uint64_t kMaxPaced = 256 << 10;
constexpr Duration kWorthWaiting = std::chrono::microseconds(500);

// What is really sent of a body, and what is done then.
struct Cut {
  std::uint64_t sent = 0;              // bytes of the body
  std::uint64_t told = 0;              // Content-Length, or kNoLength
  std::uint64_t appended = 0;          // bytes beyond the body
  FaultKind then = FaultKind::kDelay;  // kDelay: nothing
};

Cut cut_of(const Reply& reply, const FaultPlan& plan) {
  Cut cut{.sent = reply.length, .told = reply.length};
  for (const FaultKind kind : {FaultKind::kResetInBody, FaultKind::kStallInBody,
                               FaultKind::kShortBody, FaultKind::kNoLength}) {
    const Fault* fault = plan.find(kind);
    if (fault == nullptr) continue;
    cut.sent = std::min(fault->bytes, reply.length);
    cut.then = kind;
    if (kind == FaultKind::kNoLength) cut.told = kNoLength;
    return cut;
  }
  if (const Fault* fault = plan.find(FaultKind::kShortLength)) {
    cut.sent -= std::min(fault->bytes, cut.sent);
    cut.told = cut.sent;
  }
  if (const Fault* fault = plan.find(FaultKind::kLongBody)) {
    cut.appended = std::min<std::uint64_t>(fault->bytes, 1 << 20);
    cut.told += cut.appended;
  }
  return cut;
}

// The time that so many bytes take.
Duration time_of(std::uint64_t bytes, std::uint64_t bandwidth) {
  return Duration(
      static_cast<std::int64_t>(static_cast<double>(bytes) * 1e6 / static_cast<double>(bandwidth)));
}

class Sender {
 public:
  Sender(HttpExchange& exchange, const Reply& reply, const Pace& pace, Clock& clock)
      : exchange_(exchange), reply_(reply), pace_(pace), clock_(clock) {}

  bool send(const Body& body, std::uint64_t offset, const Cut& cut) {
    const Duration begin = clock_.monotonic();
    std::uint64_t sent = 0;
    bool head = false;
    do {
      std::uint64_t count = cut.sent - sent;
      for (const std::uint64_t bandwidth : {pace_.bandwidth, pace_.shared}) {
        if (bandwidth > 0)
          count = std::min(count, std::clamp(bandwidth / 100, kMinPaced, kMaxPaced));
      }
      const std::vector<ByteView> pieces = body.slice(offset + sent, count, kPieces);
      const bool there = head ? exchange_.write(pieces)
                              : exchange_.answer(reply_.status, reply_.headers, cut.told, pieces);
      if (!there) return false;
      head = true;
      std::uint64_t now_sent = 0;
      for (const ByteView piece : pieces) now_sent += piece.size();
      sent += now_sent;
      // Whoever has the answer may set the clock: it is not looked at without need.
      if (pace_.bandwidth == 0 && pace_.shared == 0) continue;
      const Duration now = clock_.monotonic();
      Duration due = now;
      if (pace_.bandwidth > 0) due = begin + time_of(sent, pace_.bandwidth);
      if (pace_.shared > 0) due = std::max(due, pace_.link.take(now_sent, pace_.shared, now));
      if (due - now >= kWorthWaiting && !exchange_.wait(due - now)) return false;
    } while (sent < cut.sent);
    if (cut.appended == 0) return true;
    const Bytes more(cut.appended, std::byte{0xEE});
    const ByteView view = more;
    return exchange_.write({&view, 1});
  }

 private:
  HttpExchange& exchange_;
  const Reply& reply_;
  const Pace& pace_;
  Clock& clock_;
};

}  // namespace

void stall(HttpExchange& exchange) {
  while (exchange.wait(std::chrono::hours(1))) {
  }
  exchange.close();
}

Duration Link::take(std::uint64_t bytes, std::uint64_t bandwidth, Duration now) {
  const std::lock_guard lock(mutex_);
  free_ = std::max(free_, now) + time_of(bytes, bandwidth);
  return free_;
}

bool deliver(HttpExchange& exchange, const Reply& reply, const FaultPlan& plan, const Pace& pace,
             Clock& clock) {
  if (reply.without_body) return exchange.answer(reply.status, reply.headers, reply.length, {});
  const Cut cut =
      plan.empty() ? Cut{.sent = reply.length, .told = reply.length} : cut_of(reply, plan);
  Sender sender(exchange, reply, pace, clock);
  bool whole = false;
  const Fault* flip = plan.find(FaultKind::kFlipOnWire);
  if (flip != nullptr && reply.length > 0) {
    Bytes bytes;
    for (std::uint64_t at = 0; at < reply.length; at = bytes.size())
      for (const ByteView view : reply.body.slice(reply.offset + at, reply.length - at, kPieces))
        bytes.insert(bytes.end(), view.begin(), view.end());
    whole = sender.send(Body(std::move(bytes)).with_flipped_bit(flip->bytes), 0, cut);
  } else {
    whole = sender.send(reply.body, reply.offset, cut);
  }
  if (cut.then == FaultKind::kDelay) return whole;
  if (cut.then == FaultKind::kResetInBody) {
    // Time for what was sent to arrive: a RST overtakes what waits in a socket.
    exchange.wait(std::chrono::milliseconds(20));
    exchange.reset();
  } else if (cut.then == FaultKind::kStallInBody) {
    stall(exchange);
  } else {
    exchange.close();
  }
  return false;
}

}  // namespace kedge::emulator
