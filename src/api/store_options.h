// From the settings of a client to those of one s3:// URL.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kedge/store_settings.h"
#include "s3/s3_options.h"

namespace kedge {

// Whether `url` is `prefix` or lies below it: "s3://a" is no prefix of "s3://ab".
bool lies_below(std::string_view url, std::string_view prefix);

// The settings for `url`: the longest that applies, filled up from those for every URL.
StoreSettings settings_for(std::span<const StoreSettings> settings, std::string_view url);

// kInvalid: an addressing that is not known.
Result<S3Options> to_s3_options(const StoreSettings& settings);

}  // namespace kedge
