// Text that others wrote, made safe for a terminal: keys, titles and snippets come from a bucket
// and must not move the cursor, hide or reorder what a person reads.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kedge::cli {

// One decoded character of a text.
struct Character {
  char32_t code = 0;
  std::size_t bytes = 1;  // that it takes in the text
  bool valid = false;     // else one byte that is not UTF-8, and code is that byte
};
// The character at `position`, which is inside the text.
Character decode(std::string_view text, std::size_t position);

bool is_utf8(std::string_view text);
// The text with every byte that is not UTF-8 replaced by U+FFFD.
std::string replace_invalid(std::string_view text);

// Control and format characters (escape sequences, text direction, line separators), unassigned
// ones and bytes that are not UTF-8 are written out: \x1b, \u202e. Joiners inside words stay.
std::string visible(std::string_view text);
// The same, but white space of any kind becomes a plain space: for text that is wrapped.
std::string visible_flowing(std::string_view text);
// The same, but line ends stay: for text that is shown as it lies in the object.
std::string visible_lines(std::string_view text);

// A visible text as one word of a shell: in quotes if it needs them.
std::string quote(std::string_view text);

// Columns that a visible text takes: 2 for wide characters, 0 for combining ones.
std::size_t display_width(std::string_view text);
// The text if it fits into `width` columns, else its begin and end around an ellipsis: the end of a
// key says more than its middle.
std::string shorten(std::string_view text, std::size_t width);

// Whether bytes may go to a terminal as they are: UTF-8 without control characters, but for tabs
// and line ends.
bool is_plain_text(std::string_view bytes);

}  // namespace kedge::cli
