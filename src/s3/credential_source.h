// What every source of credentials works with, and how one asks a service over HTTP.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "net/http.h"
#include "s3/credential_chain.h"
#include "s3/credentials.h"

namespace kedge {

// Borrowed for one fetch.
struct AwsContext {
  const AwsEnvironment& environment;
  HttpTransport& transport;
  Clock& clock;
  Log& log;
};

// Fetches credentials anew. Errors as of CredentialProvider::get.
using CredentialSource = std::function<Result<Credentials>(Deadline deadline)>;

// One exchange with a small answer and `total` for all of it. Any status is an answer; an error
// says `what` in front.
Result<HttpResponse> ask_service(const AwsContext& context, HttpRequest request, Duration total,
                                 Deadline deadline, std::string_view what);

// Of an answer that is not 200: kUnavailable for 408, 429 and 5xx, else kDenied; with the status
// and `detail`, if there is any.
Error refused_by(std::string_view what, int status, std::string_view detail);

// The earlier one of a deadline and `limit` from now.
Deadline at_most(Clock& clock, Deadline deadline, Duration limit);

}  // namespace kedge
