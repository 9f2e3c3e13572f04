// A CredentialProvider over a source that fetches: keeps what it gave, refreshes before the end,
// once for all callers.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/log.h"
#include "s3/credential_source.h"

namespace kedge {

// As botocore has them: from the first on one caller refreshes while the others go on with what
// there is; from the second on all wait for it. Of short lives a half and a third, or a token of a
// few minutes would be fetched at every call.
inline constexpr Duration kAdvisoryRefresh = std::chrono::minutes(15);
inline constexpr Duration kMandatoryRefresh = std::chrono::minutes(10);
// After a refresh that failed, or a refusal that fetching did not cure, while the old credentials
// serve.
inline constexpr Duration kRefreshPause = std::chrono::seconds(10);
// How long credentials serve that had ended when they came: either the source is late or this
// machine's clock is wrong, and only the store knows which.
inline constexpr Duration kDoubtfulLife = std::chrono::minutes(1);

std::unique_ptr<CredentialProvider> refreshing_credentials(CredentialSource source, Clock& clock,
                                                           Log& log);

}  // namespace kedge
