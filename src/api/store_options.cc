#include "api/store_options.h"

#include <utility>

#include "base/strings.h"

namespace kedge {
namespace {

void fill(std::string& value, const std::string& other) {
  if (value.empty()) value = other;
}

void fill(std::optional<bool>& value, const std::optional<bool>& other) {
  if (!value) value = other;
}

void fill(StoreSettings& out, const StoreSettings& other) {
  fill(out.endpoint, other.endpoint);
  fill(out.region, other.region);
  fill(out.profile, other.profile);
  fill(out.addressing, other.addressing);
  fill(out.ca_file, other.ca_file);
  fill(out.no_sign, other.no_sign);
  fill(out.requester_pays, other.requester_pays);
  fill(out.expected_bucket_owner, other.expected_bucket_owner);
  fill(out.storage_class, other.storage_class);
  fill(out.sse, other.sse);
  fill(out.kms_key_id, other.kms_key_id);
}

}  // namespace

bool lies_below(std::string_view url, std::string_view prefix) {
  if (!url.starts_with(prefix)) return false;
  return prefix.empty() || prefix.ends_with('/') || url.size() == prefix.size() ||
         url[prefix.size()] == '/';
}

StoreSettings settings_for(std::span<const StoreSettings> settings, std::string_view url) {
  const StoreSettings* longest = nullptr;
  for (const StoreSettings& one : settings) {
    if (one.url.empty() || !lies_below(url, one.url)) continue;
    if (longest == nullptr || one.url.size() >= longest->url.size()) longest = &one;
  }
  StoreSettings out = longest == nullptr ? StoreSettings{} : *longest;
  for (const StoreSettings& one : settings)
    if (one.url.empty()) fill(out, one);
  return out;
}

Result<S3Options> to_s3_options(const StoreSettings& settings) {
  S3Options out;
  out.endpoint = settings.endpoint;
  out.region = settings.region;
  out.profile = settings.profile;
  out.ca_file = settings.ca_file;
  out.no_sign = settings.no_sign.value_or(false);
  out.requester_pays = settings.requester_pays.value_or(false);
  out.expected_bucket_owner = settings.expected_bucket_owner;
  out.storage_class = settings.storage_class;
  out.server_side_encryption = settings.sse;
  out.kms_key_id = settings.kms_key_id;
  if (settings.addressing == "path") {
    out.addressing = S3Addressing::kPath;
  } else if (settings.addressing == "virtual") {
    out.addressing = S3Addressing::kVirtual;
  } else if (!settings.addressing.empty() && settings.addressing != "auto") {
    return {Code::kInvalid, str_cat("addressing '", printable(settings.addressing),
                                    "' is not one of auto path virtual")};
  }
  return out;
}

}  // namespace kedge
