#include "s3/s3_xml.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <pugixml.hpp>

#include "base/allocation.h"
#include "base/strings.h"

namespace kedge {
namespace {

constexpr std::size_t kMaxErrorField = 1024;
constexpr std::size_t kMaxTokenBytes = 8192;
constexpr std::size_t kMaxTags = 64;  // S3 gives ten, other stores up to 50

// pugixml does not throw: it says so.
Error no_memory() { return {Code::kExhausted, "an answer: no memory"}; }

// A document, or why it is none. The root's name is checked, whatever its namespace.
Result<pugi::xml_node> load(pugi::xml_document& document, ByteView body, const char* root) {
  if (body.size() > kMaxXmlBytes)
    return {Code::kUnavailable,
            str_cat("an answer of ", body.size(), " bytes, too long to be one")};
  const pugi::xml_parse_result parsed =
      document.load_buffer(body.data(), body.size(), pugi::parse_default, pugi::encoding_utf8);
  if (parsed.status == pugi::status_out_of_memory) return no_memory();
  if (!parsed)
    return {Code::kUnavailable, str_cat("an answer that is not XML: ", parsed.description(),
                                        " at offset ", std::int64_t{parsed.offset})};
  const pugi::xml_node node = document.document_element();
  if (std::strcmp(node.name(), root) != 0)
    return {Code::kUnavailable, str_cat("an answer that begins with <", printable(node.name()),
                                        "> where <", root, "> was expected")};
  return node;
}

std::string text_of(pugi::xml_node node, const char* child) {
  return node.child(child).text().get();
}

std::string short_text(pugi::xml_node node, const char* child) {
  return text_of(node, child).substr(0, kMaxErrorField);
}

S3ErrorBody error_of(pugi::xml_node node) {
  return {.code = short_text(node, "Code"),
          .message = short_text(node, "Message"),
          .region = short_text(node, "Region"),
          .key = text_of(node, "Key")};
}

// Empty where the answer is no error; kExhausted.
Result<S3ErrorBody> read_error(ByteView body) {
  pugi::xml_document document;
  const Result<pugi::xml_node> root = load(document, body, "Error");
  if (!root.ok() && is_memory_error(root.error())) return root.error();
  return root.ok() ? error_of(*root) : S3ErrorBody{};
}

// As application/x-www-form-urlencoded, which is what encoding-type=url means: '+' is a space.
Result<std::string> decode_url(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      unsigned value = 0;
      const char* first = text.data() + i + 1;
      if (i + 2 >= text.size() || std::from_chars(first, first + 2, value, 16).ptr != first + 2)
        return {Code::kUnavailable, str_cat("key '", printable(text), "': broken encoding")};
      out += static_cast<char>(value);
      i += 2;
    }
  }
  return out;
}

// A key of a listing, decoded if the listing says that its keys are encoded.
Result<std::string> key_of(pugi::xml_node node, const char* child, bool encoded) {
  const std::string text = text_of(node, child);
  std::string key = encoded ? KEDGE_TRY(decode_url(text)) : text;
  if (key.size() > kMaxKeyBytes)
    return {Code::kUnavailable, str_cat("a listed key has ", key.size(), " bytes")};
  return key;
}

bool is_encoded(pugi::xml_node root) { return text_of(root, "EncodingType") == "url"; }

Result<bool> truth_of(pugi::xml_node node, const char* child) {
  const std::string text = text_of(node, child);
  if (text == "true" || text == "True") return true;
  if (text == "false" || text == "False" || text.empty()) return false;
  return {Code::kUnavailable, str_cat(child, " is neither true nor false: ", printable(text))};
}

// kUnavailable unless the page says whether more follows.
Result<bool> truncated_of(pugi::xml_node root) {
  if (!root.child("IsTruncated")) return {Code::kUnavailable, "a listing without IsTruncated"};
  return truth_of(root, "IsTruncated");
}

Result<std::uint64_t> size_of(pugi::xml_node node) {
  const std::string text = text_of(node, "Size");
  std::uint64_t size = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), size);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    return {Code::kUnavailable, str_cat("a listed size is no number: '", printable(text), "'")};
  return size;
}

Result<Timestamp> time_of(pugi::xml_node node, const char* child) {
  const Result<Timestamp> time = parse_rfc3339(text_of(node, child));
  if (!time.ok()) return {Code::kUnavailable, str_cat(child, ": ", time.error().message)};
  // Headers show whole seconds, listings of some stores more: one object, one time.
  return Timestamp{time->micros - time->micros % 1'000'000};
}

Result<ObjectInfo> object_of(pugi::xml_node node, bool encoded) {
  ObjectInfo info;
  info.key = KEDGE_TRY(key_of(node, "Key", encoded));
  if (info.key.empty()) return {Code::kUnavailable, "a listed object without a key"};
  info.size = KEDGE_TRY(size_of(node));
  info.tag.value = tag_of_etag(text_of(node, "ETag"));
  info.last_modified = KEDGE_TRY(time_of(node, "LastModified"));
  info.storage_class = short_text(node, "StorageClass");
  if (info.storage_class == "STANDARD") info.storage_class.clear();
  // A restored copy can be read until it expires; stores say so only if they are asked to.
  const bool restored = !text_of(node.child("RestoreStatus"), "RestoreExpiryDate").empty();
  info.archived = is_archive_class(info.storage_class) && !restored;
  return info;
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\r':
        out += "&#13;";
        break;
      case '\n':
        out += "&#10;";
        break;
      case '\t':
        out += "&#9;";
        break;
      default:
        out += c;
    }
  }
}

}  // namespace

Result<S3ListPage> parse_list_objects(ByteView body) try {
  pugi::xml_document document;
  const pugi::xml_node root = KEDGE_TRY(load(document, body, "ListBucketResult"));
  S3ListPage page;
  page.truncated = KEDGE_TRY(truncated_of(root));
  page.continuation_token = text_of(root, "NextContinuationToken");
  if (page.truncated && page.continuation_token.empty())
    return {Code::kUnavailable, "a listing that says more follows, and not where"};
  if (page.continuation_token.size() > kMaxTokenBytes)
    return {Code::kUnavailable, "a continuation token of more than 8 KiB"};
  const bool encoded = is_encoded(root);
  for (const pugi::xml_node node : root.children("Contents")) {
    if (page.objects.size() == kMaxListPage)
      return {Code::kUnavailable, str_cat("a page of more than ", kMaxListPage, " objects")};
    page.objects.push_back(KEDGE_TRY(object_of(node, encoded)));
  }
  return page;
} catch (...) {
  return memory_error("an answer");
}

Result<S3VersionPage> parse_list_versions(ByteView body) try {
  pugi::xml_document document;
  const pugi::xml_node root = KEDGE_TRY(load(document, body, "ListVersionsResult"));
  S3VersionPage page;
  page.truncated = KEDGE_TRY(truncated_of(root));
  const bool encoded = is_encoded(root);
  page.next_key_marker = KEDGE_TRY(key_of(root, "NextKeyMarker", encoded));
  page.next_version_id_marker = text_of(root, "NextVersionIdMarker");
  if (page.truncated && page.next_key_marker.empty())
    return {Code::kUnavailable, "a listing of versions that says more follows, and not where"};
  for (const pugi::xml_node node : root.children()) {
    const bool marker = std::strcmp(node.name(), "DeleteMarker") == 0;
    if (!marker && std::strcmp(node.name(), "Version") != 0) continue;
    if (page.versions.size() == kMaxListPage)
      return {Code::kUnavailable, str_cat("a page of more than ", kMaxListPage, " versions")};
    S3Version version;
    version.key = KEDGE_TRY(key_of(node, "Key", encoded));
    version.version_id = text_of(node, "VersionId");
    version.latest = KEDGE_TRY(truth_of(node, "IsLatest"));
    version.marker = marker;
    if (!marker) version.size = KEDGE_TRY(size_of(node));
    version.last_modified = KEDGE_TRY(time_of(node, "LastModified"));
    page.versions.push_back(std::move(version));
  }
  return page;
} catch (...) {
  return memory_error("an answer");
}

Result<S3UploadPage> parse_list_uploads(ByteView body) try {
  pugi::xml_document document;
  const pugi::xml_node root = KEDGE_TRY(load(document, body, "ListMultipartUploadsResult"));
  S3UploadPage page;
  page.truncated = KEDGE_TRY(truncated_of(root));
  const bool encoded = is_encoded(root);
  page.next_key_marker = KEDGE_TRY(key_of(root, "NextKeyMarker", encoded));
  page.next_upload_id_marker = text_of(root, "NextUploadIdMarker");
  if (page.truncated && page.next_key_marker.empty())
    return {Code::kUnavailable, "a listing of uploads that says more follows, and not where"};
  for (const pugi::xml_node node : root.children("Upload")) {
    if (page.uploads.size() == kMaxListPage)
      return {Code::kUnavailable, str_cat("a page of more than ", kMaxListPage, " uploads")};
    S3Upload upload;
    upload.key = KEDGE_TRY(key_of(node, "Key", encoded));
    upload.upload_id = text_of(node, "UploadId");
    upload.initiated = KEDGE_TRY(time_of(node, "Initiated"));
    page.uploads.push_back(std::move(upload));
  }
  return page;
} catch (...) {
  return memory_error("an answer");
}

Result<ObjectTags> parse_tagging(ByteView body) try {
  pugi::xml_document document;
  const pugi::xml_node root = KEDGE_TRY(load(document, body, "Tagging"));
  if (!root.child("TagSet")) return {Code::kUnavailable, "an answer about tags without a TagSet"};
  ObjectTags out;
  for (const pugi::xml_node tag : root.child("TagSet").children("Tag")) {
    if (out.size() == kMaxTags)
      return {Code::kUnavailable, str_cat("an object with more than ", kMaxTags, " tags")};
    out.emplace_back(text_of(tag, "Key"), text_of(tag, "Value"));
    if (out.back().first.empty()) return {Code::kUnavailable, "a tag without a key"};
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  out.erase(std::unique(out.begin(), out.end(),
                        [](const auto& a, const auto& b) { return a.first == b.first; }),
            out.end());
  return out;
} catch (...) {
  return memory_error("an answer");
}

Result<std::string> parse_upload_id(ByteView body) try {
  pugi::xml_document document;
  const pugi::xml_node root = KEDGE_TRY(load(document, body, "InitiateMultipartUploadResult"));
  std::string id = text_of(root, "UploadId");
  if (id.empty() || id.size() > kMaxTokenBytes)
    return {Code::kUnavailable, "an upload was begun without an id"};
  return id;
} catch (...) {
  return memory_error("an answer");
}

Result<S3Completed> parse_complete(ByteView body) try {
  S3Completed out;
  out.error = KEDGE_TRY(read_error(body));
  if (!out.error.code.empty()) return out;
  pugi::xml_document document;
  const pugi::xml_node root = KEDGE_TRY(load(document, body, "CompleteMultipartUploadResult"));
  out.tag = tag_of_etag(text_of(root, "ETag"));
  if (out.tag.empty()) return {Code::kUnavailable, "an upload was completed without a tag"};
  return out;
} catch (...) {
  return memory_error("an answer");
}

Result<std::vector<S3DeleteError>> parse_delete_result(ByteView body) try {
  pugi::xml_document document;
  const pugi::xml_node root = KEDGE_TRY(load(document, body, "DeleteResult"));
  std::vector<S3DeleteError> out;
  for (const pugi::xml_node node : root.children("Error")) {
    if (out.size() == kMaxListPage)
      return {Code::kUnavailable, str_cat("more than ", kMaxListPage, " errors")};
    out.push_back({.key = text_of(node, "Key"),
                   .version_id = text_of(node, "VersionId"),
                   .error = error_of(node)});
  }
  return out;
} catch (...) {
  return memory_error("an answer");
}

// What an answer means its status says; without memory for its words there are none.
S3ErrorBody parse_s3_error(ByteView body) try {
  Result<S3ErrorBody> read = read_error(body);
  return read.ok() ? *std::move(read) : S3ErrorBody{};
} catch (...) {
  (void)memory_error("an answer");  // any other exception goes on
  return {};
}

std::string parse_root_text(ByteView body) {
  pugi::xml_document document;
  if (body.size() > kMaxXmlBytes || !document.load_buffer(body.data(), body.size())) return {};
  return std::string(document.document_element().text().get()).substr(0, kMaxErrorField);
}

std::string parse_child_text(ByteView body, const char* child) {
  pugi::xml_document document;
  if (body.size() > kMaxXmlBytes || !document.load_buffer(body.data(), body.size())) return {};
  return short_text(document.document_element(), child);
}

bool fits_xml(std::string_view key) {
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') return false;
    if (byte >= 0x7F) return false;  // sent alone by its URL, where every byte has an encoding
  }
  return true;
}

std::string delete_request(std::span<const std::pair<std::string, std::string>> keys) {
  std::string out = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>";
  for (const auto& [key, version_id] : keys) {
    out += "<Object><Key>";
    append_escaped(out, key);
    out += "</Key>";
    if (!version_id.empty()) {
      out += "<VersionId>";
      append_escaped(out, version_id);
      out += "</VersionId>";
    }
    out += "</Object>";
  }
  return out + "</Delete>";
}

std::string complete_request(std::span<const std::string> tags) {
  std::string out = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (std::size_t i = 0; i < tags.size(); ++i) {
    out += str_cat("<Part><ETag>&quot;");
    append_escaped(out, tags[i]);
    out += str_cat("&quot;</ETag><PartNumber>", i + 1, "</PartNumber></Part>");
  }
  return out + "</CompleteMultipartUpload>";
}

std::string tag_of_etag(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"')
    etag = etag.substr(1, etag.size() - 2);
  return std::string(etag.substr(0, kMaxErrorField));
}

bool is_archive_class(std::string_view storage_class) {
  return storage_class == "GLACIER" || storage_class == "DEEP_ARCHIVE";
}

}  // namespace kedge
