// An HttpTransport for tests: keeps every request, and answers by a function, or by a queue of
// expected requests and their answers.
//
// Threads: send() from any thread; answers run one at a time, under the transport's lock.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "net/http.h"

namespace kedge {

// A request as it came, with a body of its own.
struct SeenRequest {
  std::string method;
  std::string url;
  std::vector<HttpHeader> headers;
  std::string body;
  HttpTimeouts timeouts;
  std::uint64_t max_body_bytes = 0;
  bool at_most_once = false;
  bool may_hedge = false;
  Deadline deadline;

  // The first header of that name (lower case, as sent), "" if there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const {
    for (const HttpHeader& one : headers)
      if (one.name == name) return one.value;
    return {};
  }
};

// Header names in lower case, as a transport gives them.
inline HttpResponse scripted_answer(int status, std::string_view body,
                                    std::vector<HttpHeader> headers = {}) {
  HttpResponse out;
  out.status = status;
  out.headers = std::move(headers);
  out.body = to_bytes(body);
  return out;
}

class ScriptedTransport final : public HttpTransport {
 public:
  using Answer = std::function<Result<HttpResponse>(const SeenRequest& request)>;

  ScriptedTransport() = default;
  explicit ScriptedTransport(Answer otherwise) : otherwise_(std::move(otherwise)) {}

  // The next request that no earlier expectation takes must have this method and a URL that
  // contains `url_part`; it gets `answer`. Expectations are used up in order, before the function.
  void expect(std::string method, std::string url_part, Result<HttpResponse> answer) {
    const std::lock_guard lock(mutex_);
    expected_.push_back({std::move(method), std::move(url_part), std::move(answer)});
  }
  // Answers what was not expected.
  void answer_otherwise(Answer answer) {
    const std::lock_guard lock(mutex_);
    otherwise_ = std::move(answer);
  }

  std::vector<Result<HttpResponse>> send(std::span<const HttpRequest> requests, Deadline deadline,
                                         std::stop_token stop) override {
    const std::lock_guard lock(mutex_);
    std::vector<Result<HttpResponse>> out;
    for (const HttpRequest& request : requests) {
      if (stop.stop_requested()) {
        out.emplace_back(Error{Code::kCancelled, "cancelled"});
        continue;
      }
      seen_.push_back({request.method, request.url, request.headers,
                       std::string(as_text(request.body)), request.timeouts, request.max_body_bytes,
                       request.at_most_once, request.may_hedge, deadline});
      out.push_back(limited(next(seen_.back()), request.max_body_bytes));
      if (out.back().ok() && out.back()->status / 100 == 2 && request.arrived)
        request.arrived(out.back()->body);
    }
    return out;
  }

  [[nodiscard]] std::vector<SeenRequest> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  [[nodiscard]] std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return seen_.size();
  }
  // Expectations that no request has met.
  [[nodiscard]] std::size_t left() const {
    const std::lock_guard lock(mutex_);
    return expected_.size();
  }
  // What came and was not expected, one line each.
  [[nodiscard]] std::string unexpected() const {
    const std::lock_guard lock(mutex_);
    return unexpected_;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    seen_.clear();
  }

 private:
  struct Expected {
    std::string method;
    std::string url_part;
    Result<HttpResponse> answer;
  };

  static Result<HttpResponse> limited(Result<HttpResponse> answer, std::uint64_t max_body_bytes) {
    if (answer.ok() && answer->body.size() > max_body_bytes)
      return {Code::kExhausted, str_cat("a body over ", max_body_bytes, " bytes")};
    return answer;
  }

  Result<HttpResponse> next(const SeenRequest& request) {
    if (!expected_.empty()) {
      const Expected& first = expected_.front();
      if (first.method == request.method && request.url.find(first.url_part) != std::string::npos) {
        Result<HttpResponse> answer = std::move(expected_.front().answer);
        expected_.pop_front();
        return answer;
      }
    } else if (otherwise_) {
      return otherwise_(request);
    }
    const std::string problem = str_cat(
        "not expected: ", request.method, " ", request.url,
        expected_.empty()
            ? ""
            : str_cat("; expected ", expected_.front().method, " ..", expected_.front().url_part));
    unexpected_ += problem + "\n";
    return {Code::kInternal, problem};
  }

  mutable std::mutex mutex_;
  Answer otherwise_;
  std::deque<Expected> expected_;
  std::vector<SeenRequest> seen_;
  std::string unexpected_;
};

}  // namespace kedge
