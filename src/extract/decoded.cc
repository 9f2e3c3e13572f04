#include "extract/decoded.h"

#include <algorithm>

namespace kedge {

void append_utf8(std::string& out, std::int32_t code_point) {
  auto c = static_cast<std::uint32_t>(code_point);
  if (code_point <= 0 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = 0xFFFD;
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

Decoded Decoded::identity(std::string_view raw) {
  Decoded decoded;
  decoded.borrowed_ = raw.data() ? raw : std::string_view("");
  decoded.raw_size_ = raw.size();
  return decoded;
}

void Decoded::add(std::int32_t code_point, std::uint32_t raw_size) {
  const std::size_t begin = owned_.size();
  append_utf8(owned_, code_point);
  const auto step = static_cast<std::uint32_t>(owned_.size() - begin);
  if (runs_.empty() || runs_.back().text_step != step || runs_.back().raw_step != raw_size) {
    runs_.push_back({begin, raw_size_, step, raw_size});
  }
  raw_size_ += raw_size;
}

std::uint64_t Decoded::raw_offset(std::size_t at) const {
  if (borrowed_.data()) return at;
  if (at >= owned_.size()) return raw_size_;
  const auto after =
      std::upper_bound(runs_.begin(), runs_.end(), at,
                       [](std::size_t value, const Run& run) { return value < run.text_begin; });
  const Run& run = *std::prev(after);
  return run.raw_begin + (at - run.text_begin) / run.text_step * run.raw_step;
}

}  // namespace kedge
