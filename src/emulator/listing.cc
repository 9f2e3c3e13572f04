#include "emulator/listing.h"

#include <algorithm>
#include <charconv>

#include "base/strings.h"
#include "emulator/digests.h"
#include "emulator/xml.h"
#include "s3/sigv4.h"

namespace kedge::emulator {
namespace {

struct Entry {
  std::string key;                   // or a common prefix
  const Version* version = nullptr;  // null: a common prefix
};

struct Page {
  std::vector<Entry> entries;
  bool truncated = false;
};

struct Walk {
  std::string prefix;
  std::string delimiter;
  std::string after;        // keys beyond this one
  bool skip_group = false;  // `after` is a common prefix that was shown
  std::size_t most = kMaxPage;
};

// Shows what the script hides: what is too young, and what listings do not know yet.
class Hiding {
 public:
  Hiding(const Context& context, Bucket& bucket) : bucket_(bucket) {
    if (const Fault* fault = context.plan.find(FaultKind::kHideRecent))
      from_ = context.now - fault->time;
    empty_ = context.plan.has(FaultKind::kEmptyListing);
    for (auto& [key, shadow] : bucket.shadows)
      if (shadow.lists > 0) any_ = true;
  }
  ~Hiding() {
    for (auto& [key, shadow] : bucket_.shadows)
      if (shadow.lists > 0) --shadow.lists;
  }
  Hiding(const Hiding&) = delete;
  Hiding& operator=(const Hiding&) = delete;

  // The version to show of a key, null for none.
  const Version* shown(const std::string& key, const Versions& versions) const {
    const Version& newest = versions.back();
    if (empty_) return nullptr;
    if (any_) {
      const auto shadow = bucket_.shadows.find(key);
      if (shadow != bucket_.shadows.end() && shadow->second.lists > 0)
        return shadow->second.before ? &*shadow->second.before : nullptr;
    }
    if (newest.content == nullptr || (from_ && newest.modified > *from_)) return nullptr;
    return &newest;
  }

 private:
  Bucket& bucket_;
  std::optional<Timestamp> from_;
  bool empty_ = false;
  bool any_ = false;
};

Page walk(const Bucket& bucket, const Walk& what, const Hiding& hiding) {
  Page page;
  auto at = what.after < what.prefix ? bucket.objects.lower_bound(what.prefix)
                                     : bucket.objects.upper_bound(what.after);
  const auto jump = [&](std::string_view group) {
    const std::string next = after_all(group);
    at = next.empty() ? bucket.objects.end() : bucket.objects.lower_bound(next);
  };
  if (what.skip_group) jump(what.after);
  for (; at != bucket.objects.end() && at->first.starts_with(what.prefix);) {
    const Version* version = hiding.shown(at->first, at->second);
    if (version == nullptr) {
      ++at;
      continue;
    }
    if (page.entries.size() >= what.most) {
      page.truncated = what.most > 0;
      break;
    }
    const std::string_view group = common_prefix(at->first, what.prefix, what.delimiter);
    if (group.empty()) {
      page.entries.push_back({at->first, version});
      ++at;
    } else {
      page.entries.push_back({std::string(group), nullptr});
      jump(page.entries.back().key);
    }
  }
  return page;
}

// A token names the last entry and whether it was a group.
std::string token_of(const Entry& entry) {
  return to_base64(as_bytes(str_cat(entry.version == nullptr ? "p" : "k", entry.key)));
}

bool apply_token(std::string_view token, Walk& what) {
  const auto bytes = from_base64(token);
  if (!bytes || bytes->empty()) return false;
  const std::string_view text = as_text(*bytes);
  if (text.front() != 'p' && text.front() != 'k') return false;
  what.skip_group = text.front() == 'p';
  what.after = std::string(text.substr(1));
  return true;
}

void bend(const Context& context, Page& page) {
  if (context.plan.has(FaultKind::kDuplicateEntries)) {
    std::vector<Entry> twice;
    for (const Entry& entry : page.entries) twice.insert(twice.end(), 2, entry);
    page.entries = std::move(twice);
  }
  if (context.plan.has(FaultKind::kUnordered)) std::ranges::reverse(page.entries);
}

void write_entries(const Page& page, bool url, bool owner, const std::string& account, Xml& xml) {
  for (const Entry& entry : page.entries) {
    if (entry.version == nullptr) continue;
    const Content& content = *entry.version->content;
    xml.open("Contents").element("Key", listed(entry.key, url));
    xml.element("LastModified", xml_time(entry.version->modified)).element("ETag", content.etag);
    xml.number("Size", content.body.size());
    if (owner) xml.open("Owner").element("ID", account).close("Owner");
    xml.element("StorageClass", content.storage_class.empty() ? "STANDARD" : content.storage_class);
    xml.close("Contents");
  }
  for (const Entry& entry : page.entries) {
    if (entry.version != nullptr) continue;
    xml.open("CommonPrefixes").element("Prefix", listed(entry.key, url)).close("CommonPrefixes");
  }
}

Failure bad_argument(std::string_view what) {
  return {400, "InvalidArgument", str_cat("The ", what, " provided is incorrect")};
}

}  // namespace

std::string listed(std::string_view key, bool url) {
  if (!url) return std::string(key);
  std::string out = encode_path(key);
  for (std::size_t at = out.find("%20"); at != std::string::npos; at = out.find("%20", at))
    out.replace(at, 3, "+");
  return out;
}

bool wants_url(const S3Request& request) { return request.argument("encoding-type") == "url"; }

std::optional<std::size_t> page_size(const S3Request& request, std::string_view name) {
  const std::string_view text = request.argument(name);
  if (text.empty()) return kMaxPage;
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return std::min(value, kMaxPage);
}

std::string_view common_prefix(std::string_view key, std::string_view prefix,
                               std::string_view delimiter) {
  if (delimiter.empty()) return {};
  const std::size_t at = key.find(delimiter, prefix.size());
  return at == std::string_view::npos ? std::string_view() : key.substr(0, at + delimiter.size());
}

std::string after_all(std::string_view prefix) {
  std::string out(prefix);
  while (!out.empty() && out.back() == '\xFF') out.pop_back();
  if (!out.empty()) out.back() = static_cast<char>(static_cast<unsigned char>(out.back()) + 1);
  return out;
}

Reply listing_operation(const S3Request& request, const Context& context, Bucket& bucket) {
  const bool second = request.operation == Operation::kListObjectsV2;
  Walk what{.prefix = std::string(request.argument("prefix")),
            .delimiter = std::string(request.argument("delimiter")),
            .after = std::string(request.argument(second ? "start-after" : "marker"))};
  const auto most = page_size(request, "max-keys");
  if (!most) return reply_of(bad_argument("max-keys"), request);
  what.most = *most;
  const std::string_view token = request.argument("continuation-token");
  if (second && !token.empty() && !apply_token(token, what))
    return reply_of(bad_argument("continuation token"), request);
  // The first version goes on after a group by naming it.
  if (!second && !what.delimiter.empty() && what.after.size() > what.prefix.size() &&
      what.after.ends_with(what.delimiter))
    what.skip_group = true;
  const Hiding hiding(context, bucket);
  Page page = walk(bucket, what, hiding);
  const Entry last = page.entries.empty() ? Entry() : page.entries.back();
  bend(context, page);
  const bool url = wants_url(request);
  Xml xml("ListBucketResult");
  xml.element("Name", request.bucket).element("Prefix", listed(what.prefix, url));
  if (!what.delimiter.empty()) xml.element("Delimiter", listed(what.delimiter, url));
  xml.number("MaxKeys", what.most);
  if (url) xml.element("EncodingType", "url");
  xml.flag("IsTruncated", page.truncated);
  const bool say_where = page.truncated && !context.plan.has(FaultKind::kNoToken);
  if (second) {
    xml.number("KeyCount", page.entries.size());
    if (!token.empty()) xml.element("ContinuationToken", token);
    if (request.has("start-after"))
      xml.element("StartAfter", listed(request.argument("start-after"), url));
    if (say_where) xml.element("NextContinuationToken", token_of(last));
  } else {
    xml.element("Marker", listed(request.argument("marker"), url));
    if (say_where && !what.delimiter.empty()) xml.element("NextMarker", listed(last.key, url));
  }
  const bool owner = !second || request.argument("fetch-owner") == "true";
  write_entries(page, url, owner, context.account, xml);
  return xml_reply(std::move(xml).finish());
}

}  // namespace kedge::emulator
