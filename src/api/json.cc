// References as JSON, and back. The key may hold any bytes: "key_bytes" (base64) stands beside
// "key" where the key is not UTF-8.
#include <openssl/evp.h>

#include <boost/json.hpp>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/strings.h"
#include "kedge/client.h"

namespace kedge {
namespace {

namespace json = boost::json;

bool is_utf8(std::string_view text) {
  json::stream_parser parser;
  boost::system::error_code error;
  // Boost.JSON validates the UTF-8 of strings: a quoted copy without its special characters tells.
  std::string quoted = "\"";
  for (const char c : text)
    quoted += c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  quoted += '"';
  parser.write(quoted, error);
  return !error;
}

std::string base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3), '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                  reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  return out;
}

Result<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return {Code::kInvalid, "reference: key_bytes is not base64"};
  std::string out(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return {Code::kInvalid, "reference: key_bytes is not base64"};
  std::size_t padding = 0;
  while (padding < 2 && text.size() > padding && text[text.size() - 1 - padding] == '=') ++padding;
  out.resize(static_cast<std::size_t>(size) - padding);
  return out;
}

void put_text(json::object& out, std::string_view name, const std::string& value) {
  if (is_utf8(value)) {
    out[name] = value;
    return;
  }
  out[name] = printable(value);
  out[std::string(name) + "_bytes"] = base64(value);
}

// Numbers as JSON has them: whole ones without a point.
json::value number_json(double number) {
  constexpr double kExact = 9'007'199'254'740'992;  // above, not every whole number is a double
  if (std::abs(number) <= kExact && std::trunc(number) == number)
    return static_cast<std::int64_t>(number);
  return number;
}

json::value scalar_json(const MetadataScalar& value) {
  if (const auto* text = std::get_if<std::string>(&value))
    return json::value(is_utf8(*text) ? *text : printable(*text));
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean;
  return number_json(std::get<double>(value));
}

void put_value(json::object& out, const std::string& name, const MetadataValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return put_text(out, name, *text);
  if (const auto* number = std::get_if<double>(&value)) {
    out[name] = number_json(*number);
  } else if (const auto* boolean = std::get_if<bool>(&value)) {
    out[name] = *boolean;
  } else {
    json::array values;
    for (const MetadataScalar& one : std::get<MetadataList>(value))
      values.push_back(scalar_json(one));
    out[name] = std::move(values);
  }
}

std::optional<MetadataScalar> read_scalar(const json::value& value) {
  if (const json::string* text = value.if_string())
    return MetadataScalar(std::string(text->data(), text->size()));
  if (value.is_bool()) return MetadataScalar(value.get_bool());
  if (!value.is_number()) return std::nullopt;
  boost::system::error_code error;
  const auto number = value.to_number<double>(error);
  if (error) return std::nullopt;
  return MetadataScalar(number);
}

// Nothing of what is no metadata.
std::optional<MetadataValue> read_value(const json::value& value) {
  const json::array* array = value.if_array();
  if (array == nullptr) {
    const std::optional<MetadataScalar> one = read_scalar(value);
    if (!one) return std::nullopt;
    return std::visit([](const auto& known) { return MetadataValue(known); }, *one);
  }
  MetadataList list;
  for (const json::value& one : *array) {
    std::optional<MetadataScalar> known = read_scalar(one);
    if (!known) return std::nullopt;
    list.push_back(*std::move(known));
  }
  return MetadataValue(std::move(list));
}

// Reads fields of an object, remembering the first that is wrong.
class Fields {
 public:
  explicit Fields(const json::object& object) : object_(object) {}

  void text(std::string_view name, std::string& out) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr || value->is_null()) return;
    if (!value->is_string()) return fail(name, "a string");
    out = std::string(value->get_string());
    const json::value* bytes = object_.if_contains(std::string(name) + "_bytes");
    if (bytes == nullptr || !bytes->is_string()) return;
    Result<std::string> decoded = from_base64(bytes->get_string());
    if (decoded.ok()) {
      out = std::move(decoded).value();
    } else {
      fail(std::string(name) + "_bytes", "base64");
    }
  }
  void number(std::string_view name, std::uint64_t& out) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr || value->is_null()) return;
    boost::system::error_code error;
    const auto number = value->to_number<std::uint64_t>(error);
    if (error) return fail(name, "a whole number, not negative");
    out = number;
  }
  void number(std::string_view name, std::uint32_t& out) {
    std::uint64_t wide = out;
    number(name, wide);
    if (wide > std::numeric_limits<std::uint32_t>::max()) return fail(name, "below 2^32");
    out = static_cast<std::uint32_t>(wide);
  }
  const json::object* object(std::string_view name) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr || value->is_null()) return nullptr;
    if (!value->is_object()) {
      fail(name, "an object");
      return nullptr;
    }
    return &value->get_object();
  }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  void fail(std::string_view name, std::string_view wanted) {
    if (error_.empty())
      error_ = str_cat("reference: field '", printable(name), "' is not ", wanted);
  }
  const json::object& object_;
  std::string error_;
};

json::object locator_json(const Locator& locator) {
  json::object out;
  out["begin"] = locator.begin;
  out["end"] = locator.end;
  if (locator.line_first != 0) {
    out["line_first"] = locator.line_first;
    out["line_last"] = locator.line_last;
  }
  if (locator.row_first != 0) {
    out["row_first"] = locator.row_first;
    out["row_last"] = locator.row_last;
  }
  if (!locator.context.empty()) put_text(out, "context", locator.context);
  return out;
}

}  // namespace

std::string to_json(const Reference& reference) {
  json::object out;
  put_text(out, "uri", reference.uri);
  put_text(out, "source", reference.source);
  put_text(out, "key", reference.key);
  put_text(out, "version_id", reference.version_id);
  put_text(out, "etag", reference.etag);
  out["size"] = reference.size;
  out["last_modified"] = reference.last_modified;
  put_text(out, "media_type", reference.media_type);
  put_text(out, "charset", reference.charset);
  out["content_hash"] = reference.content_hash;
  out["chunk"] = reference.chunk;
  out["chunk_count"] = reference.chunk_count;
  out["locator"] = locator_json(reference.locator);
  out["chunk_hash"] = reference.chunk_hash;
  out["recipe"] = reference.recipe;
  put_text(out, "title", reference.title);
  out["generation"] = reference.generation;
  out["commit_id"] = reference.commit_id;
  out["synced_at"] = reference.synced_at;
  json::object metadata;
  for (const auto& [name, value] : reference.metadata) put_value(metadata, name, value);
  out["metadata"] = std::move(metadata);
  return json::serialize(out);
}

Result<Reference> reference_from_json(std::string_view text) {
  boost::system::error_code error;
  const json::value parsed = json::parse(text, error);
  if (error) return {Code::kInvalid, "reference: not JSON: " + error.message()};
  if (!parsed.is_object()) return {Code::kInvalid, "reference: not a JSON object"};
  Fields fields(parsed.get_object());
  Reference out;
  fields.text("uri", out.uri);
  fields.text("source", out.source);
  fields.text("key", out.key);
  fields.text("version_id", out.version_id);
  fields.text("etag", out.etag);
  fields.number("size", out.size);
  fields.text("last_modified", out.last_modified);
  fields.text("media_type", out.media_type);
  fields.text("charset", out.charset);
  fields.text("content_hash", out.content_hash);
  fields.number("chunk", out.chunk);
  fields.number("chunk_count", out.chunk_count);
  fields.text("chunk_hash", out.chunk_hash);
  fields.text("recipe", out.recipe);
  fields.text("title", out.title);
  fields.number("generation", out.generation);
  fields.text("commit_id", out.commit_id);
  fields.text("synced_at", out.synced_at);
  if (const json::object* locator = fields.object("locator")) {
    Fields inner(*locator);
    inner.number("begin", out.locator.begin);
    inner.number("end", out.locator.end);
    inner.number("line_first", out.locator.line_first);
    inner.number("line_last", out.locator.line_last);
    inner.number("row_first", out.locator.row_first);
    inner.number("row_last", out.locator.row_last);
    inner.text("context", out.locator.context);
    if (!inner.error().empty()) return {Code::kInvalid, inner.error()};
  }
  if (const json::object* metadata = fields.object("metadata")) {
    for (const auto& [name, value] : *metadata) {
      if (std::optional<MetadataValue> read = read_value(value))
        out.metadata.emplace_back(std::string(name), *std::move(read));
    }
  }
  if (!fields.error().empty()) return {Code::kInvalid, fields.error()};
  if (out.key.empty()) return {Code::kInvalid, "reference: field 'key' is missing"};
  return out;
}

}  // namespace kedge
