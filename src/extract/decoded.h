// Raw bytes as UTF-8 text that knows, for each of its bytes, the raw offset of the character it
// belongs to. Every raw byte belongs to exactly one character, and a character decodes alike
// wherever a span begins: charsets with shift states are refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace kedge {

class Decoded {
 public:
  // Borrows `raw`: valid UTF-8 is not copied.
  static Decoded identity(std::string_view raw);
  // Starts an empty text, to be filled with add().
  Decoded() = default;

  // Appends one character of `raw_size` bytes. U+0000 and what is no code point become U+FFFD.
  void add(std::int32_t code_point, std::uint32_t raw_size);
  void reserve(std::size_t size) { owned_.reserve(size); }

  // Valid UTF-8 without NUL, except that an identity keeps NULs (decode() never makes such a one).
  [[nodiscard]] std::string_view text() const {
    return borrowed_.data() ? borrowed_ : std::string_view(owned_);
  }
  // The raw offset of the character that holds text byte `at`; of the end for at == text().size().
  [[nodiscard]] std::uint64_t raw_offset(std::size_t at) const;

 private:
  // Characters of equal width in both: character k lies at text_begin + k * text_step, raw_begin +
  // k * raw_step.
  struct Run {
    std::uint64_t text_begin;
    std::uint64_t raw_begin;
    std::uint32_t text_step;
    std::uint32_t raw_step;
  };
  std::string_view borrowed_;
  std::string owned_;
  std::uint64_t raw_size_ = 0;
  std::vector<Run> runs_;
};

// Appends a code point as UTF-8; U+FFFD for what is none and for U+0000.
void append_utf8(std::string& out, std::int32_t code_point);

}  // namespace kedge
