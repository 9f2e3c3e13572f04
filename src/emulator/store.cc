#include "emulator/store.h"

#include <algorithm>

#include "base/hash.h"
#include "base/strings.h"

namespace kedge::emulator {
namespace {

constexpr std::string_view kNullId = "null";

std::string_view unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.starts_with('"') && etag.ends_with('"'))
    return etag.substr(1, etag.size() - 2);
  return etag;
}

Failure failed(std::string_view condition) {
  return {412,
          "PreconditionFailed",
          "At least one of the pre-conditions you specified did not hold",
          {},
          str_cat("<Condition>", condition, "</Condition>")};
}

}  // namespace

const Version* Bucket::current(std::string_view key) const {
  const auto found = objects.find(key);
  if (found == objects.end()) return nullptr;
  const Version& newest = found->second.back();
  return newest.content == nullptr ? nullptr : &newest;
}

Bucket* Store::find(std::string_view name) {
  const auto found = buckets.find(name);
  return found == buckets.end() ? nullptr : &found->second;
}

std::string Store::new_id() { return Id128::random(random_).hex(); }

const Version& Store::write(Bucket& bucket, const std::string& key, ContentPtr content,
                            Timestamp now) {
  Versions& versions = bucket.objects[key];
  const bool keep = bucket.versioning == Versioning::kEnabled;
  // Without versioning, and while it is suspended, there is one version "null", and it is replaced.
  if (!keep) std::erase_if(versions, [](const Version& one) { return one.id == kNullId; });
  versions.push_back({keep ? new_id() : std::string(kNullId), now, std::move(content)});
  return versions.back();
}

bool valid_bucket_name(std::string_view name) {
  if (name.size() < 3 || name.size() > 63) return false;
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return plain(name.front()) && plain(name.back()) &&
         std::ranges::all_of(name, [&](char c) { return plain(c) || c == '-' || c == '.'; }) &&
         name.find("..") == std::string_view::npos;
}

Conditions Conditions::of(const S3Request& request) {
  return {std::string(request.header("if-match")), std::string(request.header("if-none-match"))};
}

bool same_etag(std::string_view a, std::string_view b) { return unquoted(a) == unquoted(b); }

Refusal check_write(const Conditions& conditions, const Version* current, bool allow_missing) {
  if (!conditions.if_none_match.empty()) {
    if (conditions.if_none_match != "*")
      return Failure{501,
                     "NotImplemented",
                     "A header you provided implies functionality that is not implemented",
                     {},
                     "<Header>If-None-Match</Header>"};
    if (current != nullptr) return failed("If-None-Match");
  }
  if (conditions.if_match.empty()) return {};
  if (current == nullptr) {
    if (allow_missing) return {};
    return Failure{404, "NoSuchKey", "The specified key does not exist."};
  }
  if (conditions.if_match == "*" || same_etag(conditions.if_match, current->content->etag))
    return {};
  return failed("If-Match");
}

}  // namespace kedge::emulator
