#include "s3/credential_source.h"

#include <algorithm>

#include "base/strings.h"
#include "s3/credential_answer.h"

namespace kedge {

Result<HttpResponse> ask_service(const AwsContext& context, HttpRequest request, Duration total,
                                 Deadline deadline, std::string_view what) {
  request.timeouts.connect = std::min(request.timeouts.connect, total);
  request.timeouts.first_byte = std::min(request.timeouts.first_byte, total);
  request.timeouts.idle_body = std::min(request.timeouts.idle_body, total);
  request.timeouts.total = total;
  request.max_body_bytes = kMaxCredentialAnswerBytes;
  Result<HttpResponse> answer =
      context.transport.send_one(request, at_most(context.clock, deadline, total));
  if (!answer.ok()) {
    Error error = std::move(answer).error();
    return {error.code, str_cat(what, ": ", error.message)};
  }
  return answer;
}

Error refused_by(std::string_view what, int status, std::string_view detail) {
  const bool later = status == 408 || status == 429 || status >= 500;
  return {later ? Code::kUnavailable : Code::kDenied,
          str_cat(what, ": answered ", status, detail.empty() ? "" : ": ", printable(detail))};
}

Deadline at_most(Clock& clock, Deadline deadline, Duration limit) {
  return {std::min(deadline.at, Deadline::after(clock, limit).at)};
}

}  // namespace kedge
