// The tokens of HTML, by the tokenizer rules of the WHATWG standard as far as they decide what is
// text: any bytes have a reading, in linear time and without recursion.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kedge {

struct HtmlToken {
  enum class Kind { kText, kStart, kEnd, kOther };  // kOther: comments, doctype, broken markup
  Kind kind = Kind::kText;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string name;             // of a tag, lower case, at most kMaxTagName bytes of it
  std::string_view attributes;  // of a start tag, as they lie there
};

// The token at `at`. Precondition: at < text.size().
HtmlToken html_token_at(std::string_view text, std::size_t at);

// The value of an attribute, false if there is none of that name. `value` may be null.
bool html_attribute(std::string_view attributes, std::string_view name, std::string* value);

// Elements whose content is no markup, up to their own end tag (script, style, textarea, title and
// others).
bool is_raw_text_element(std::string_view name);
// Where the end tag of a raw text element begins; text.size() if it never ends.
std::size_t raw_text_end(std::string_view text, std::size_t at, std::string_view name);

bool is_void_element(std::string_view name);
// Elements that begin a new paragraph of text.
bool is_block_element(std::string_view name);

inline constexpr std::size_t kMaxTagName = 32;

}  // namespace kedge
