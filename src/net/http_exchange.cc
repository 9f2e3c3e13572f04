// The part of HttpLoop that begins and ends exchanges: whose turn it is, copies and which of them
// counts, results.
#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "net/http_loop.h"

namespace kedge {

// Starts the next for which there is a connection, the calls in turn. Whether one was started.
bool HttpLoop::start_next() {
  while (!waiting_.empty() && running_.size() < options_.max_connections) {
    if (next_turn_ >= waiting_.size()) next_turn_ = 0;
    Call& call = *waiting_[next_turn_];
    Exchange& exchange = call.exchanges[call.started++];
    if (call.started == call.exchanges.size())
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(next_turn_));
    else
      ++next_turn_;
    if (start(exchange)) return true;
  }
  return false;
}

bool HttpLoop::start(Exchange& exchange) {
  exchange.began = clock_.monotonic();
  if (!send_copy(exchange, 0)) {
    settle(exchange, Error{Code::kExhausted, "http: no memory for a transfer"});
    return false;
  }
  if (exchange.call->requests[exchange.index].may_hedge && hedges_.enabled()) {
    hedges_.began();
    const std::optional<Duration> wait = hedges_.wait(exchange.target.host_port);
    exchange.hedge_at = exchange.began + wait.value_or(hedges_.floor());
    environment_.next_timer = std::min(environment_.next_timer, exchange.hedge_at);
  }
  return true;
}

bool HttpLoop::send_copy(Exchange& exchange, std::size_t copy) {
  if (resting_.empty()) {
    auto made = Transfer::make(environment_);
    if (!made.ok()) return false;
    resting_.push_back(made->get());
    transfers_.push_back(std::move(made).value());
  }
  Transfer& transfer = *resting_.back();
  transfer.exchange = &exchange;
  transfer.copy = copy;
  transfer.begin(exchange.call->requests[exchange.index], exchange.target, exchange.began);
  if (curl_multi_add_handle(multi_, transfer.easy()) != CURLM_OK) {
    transfer.exchange = nullptr;
    return false;
  }
  resting_.pop_back();
  running_.push_back(&transfer);
  exchange.copies[copy] = &transfer;
  if (copy > 0) ++counts_.hedges;
  return true;
}

// Takes the transfer from libcurl; a connection in the middle of something is closed by that.
void HttpLoop::release(Transfer& transfer) {
  sample_first_byte(transfer, clock_.monotonic());
  counts_.sent += transfer.sent();
  counts_.connections += transfer.connections();
  counts_.bytes_out += transfer.uploaded_bytes();
  curl_multi_remove_handle(multi_, transfer.easy());
  transfer.exchange->copies[transfer.copy] = nullptr;
  transfer.exchange = nullptr;
  std::erase(running_, &transfer);
  resting_.push_back(&transfer);
}

// One copy is over. A whole answer that is no failure of the server ends the exchange, whichever
// copy it came on; anything else only if no other copy may do better.
void HttpLoop::end_copy(Transfer& transfer, Result<HttpResponse> result) {
  Exchange& exchange = *transfer.exchange;
  const std::size_t copy = transfer.copy;
  if (result.ok()) counts_.bytes_in += result->body.size();
  release(transfer);
  Transfer* const other = exchange.copies[1 - copy];
  const bool good = result.ok() && result->status < 500;
  if (good) {
    if (other != nullptr) release(*other);
    if (copy > 0) ++counts_.hedges_won;
    result->hedge_won = copy > 0;
  } else if (other != nullptr) {
    exchange.spare = std::move(result);
    return;
  } else if (exchange.spare && (exchange.spare->ok() || !result.ok())) {
    result = *std::exchange(exchange.spare, std::nullopt);
  }
  settle(exchange, std::move(result));
}

void HttpLoop::settle(Exchange& exchange, Result<HttpResponse> result) {
  Call& call = *exchange.call;
  if (result.ok()) {
    result->hedged = exchange.hedged;
    result->total = clock_.monotonic() - exchange.began;
  }
  Result<HttpResponse>& kept = call.results[exchange.index];
  kept = std::move(result);
  if (kept.ok() && kept->status / 100 == 2 && call.requests[exchange.index].arrived) {
    const std::lock_guard lock(call.mutex);
    call.arrived.push_back(exchange.index);
    call.changed.notify_one();
  }
  if (++call.settled < call.exchanges.size()) return;
  const auto found = std::ranges::find(calls_, &call, &std::shared_ptr<Call>::get);
  const std::shared_ptr<Call> keep = std::move(*found);
  calls_.erase(found);
  const std::lock_guard lock(call.mutex);
  call.done = true;
  call.changed.notify_one();
}

// Ends all that is left of a call.
void HttpLoop::end_call(Call& call, Code code, std::string_view why) {
  // One that is done has left calls_, but may be named in a late request to cancel.
  const auto found = std::ranges::find(calls_, &call, &std::shared_ptr<Call>::get);
  if (found == calls_.end()) return;
  const std::shared_ptr<Call> keep = *found;
  std::erase(waiting_, &call);
  const std::size_t started = std::exchange(call.started, call.exchanges.size());
  for (std::size_t i = 0; i < call.exchanges.size(); ++i) {
    Exchange& exchange = call.exchanges[i];
    if (i >= started) {
      settle(exchange, Error{code, str_cat(exchange.target.host_port, ": not sent: ", why)});
      continue;
    }
    std::optional<Error> error;
    for (Transfer* const transfer : exchange.copies) {
      if (transfer == nullptr) continue;
      if (!error) error = Error{code, transfer->unavailable(why).message};
      release(*transfer);
    }
    if (error) settle(exchange, *std::move(error));
  }
}

}  // namespace kedge
