#include "engine/json_text.h"

#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <string>
#include <utility>

namespace kedge {
namespace {

namespace json = boost::json;

// What Boost's own handler does, but for on_double().
class Handler {
 public:
  using Error = boost::system::error_code;
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  explicit Handler(json::storage_ptr memory) : memory_(std::move(memory)) {}

  bool on_document_begin(Error&) {
    stack_.reset(memory_);
    return true;
  }
  bool on_document_end(Error&) { return true; }
  bool on_object_begin(Error&) { return true; }
  bool on_object_end(std::size_t size, Error&) {
    stack_.push_object(size);
    return true;
  }
  bool on_array_begin(Error&) { return true; }
  bool on_array_end(std::size_t size, Error&) {
    stack_.push_array(size);
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, Error&) {
    stack_.push_chars(part);
    return true;
  }
  bool on_key(json::string_view last, std::size_t, Error&) {
    stack_.push_key(last);
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, Error&) {
    stack_.push_chars(part);
    return true;
  }
  bool on_string(json::string_view last, std::size_t, Error&) {
    stack_.push_string(last);
    return true;
  }
  bool on_number_part(json::string_view part, Error&) {
    number_.append(part.data(), part.size());
    return true;
  }
  bool on_int64(std::int64_t value, json::string_view, Error&) {
    number_.clear();
    stack_.push_int64(value);
    return true;
  }
  bool on_uint64(std::uint64_t value, json::string_view, Error&) {
    number_.clear();
    stack_.push_uint64(value);
    return true;
  }
  bool on_double(double about, json::string_view last, Error&) {
    number_.append(last.data(), last.size());
    // Beyond the largest and below the smallest number it is left as it is.
    std::from_chars(number_.data(), number_.data() + number_.size(), about);
    number_.clear();
    stack_.push_double(about);
    return true;
  }
  bool on_bool(bool value, Error&) {
    stack_.push_bool(value);
    return true;
  }
  bool on_null(Error&) {
    stack_.push_null();
    return true;
  }
  bool on_comment_part(json::string_view, Error&) { return true; }
  bool on_comment(json::string_view, Error&) { return true; }

  json::value release() { return stack_.release(); }

 private:
  json::storage_ptr memory_;
  json::value_stack stack_;
  std::string number_;  // of which not all has come
};

}  // namespace

json::value parse_json(std::string_view text, const json::parse_options& options,
                       json::storage_ptr memory, boost::system::error_code& error,
                       std::size_t& at) {
  json::basic_parser<Handler> parser(options, std::move(memory));
  at = parser.write_some(false, text.data(), text.size(), error);
  if (!error && at < text.size()) error = json::error::extra_data;
  if (error) return nullptr;
  return parser.handler().release();
}

}  // namespace kedge
