#include "extract/scan.h"

#include <gumbo.h>

#include <algorithm>
#include <memory>

#include "extract/decoded.h"

namespace kedge {

void BlockSink::open(BlockKind kind, std::size_t begin, std::string_view context,
                     std::uint8_t level, std::uint64_t row) {
  block_ = ScannedBlock{};
  block_.kind = kind;
  block_.level = level;
  block_.begin = begin;
  block_.row = row;
  open_ = true;
  if (contexts_[0] == context) return;
  // The last context first: blocks that follow each other mostly share it.
  if (contexts_.back() == context) {
    block_.context = static_cast<std::uint32_t>(contexts_.size() - 1);
    return;
  }
  const auto [it, added] = context_numbers_.try_emplace(
      std::string(context), static_cast<std::uint32_t>(contexts_.size()));
  if (added) {
    contexts_.emplace_back(context);
    context_bytes_ += context.size() * 2 + 64;
    full_ |= context_bytes_ > kMaxContextsBytes;
  }
  block_.context = it->second;
}

void BlockSink::put(std::string_view verbatim, std::size_t at) {
  block_.text += verbatim;
  if (!mapped_) return;
  for (std::size_t i = 0; i < verbatim.size(); ++i)
    block_.source.push_back(static_cast<std::uint32_t>(at + i));
}

void BlockSink::put_as(std::string_view text, std::size_t at) {
  block_.text += text;
  if (mapped_)
    block_.source.insert(block_.source.end(), text.size(), static_cast<std::uint32_t>(at));
}

void BlockSink::close(std::size_t end) {
  open_ = false;
  while (!block_.text.empty() && is_space(block_.text.back())) block_.text.pop_back();
  if (block_.text.empty()) return;
  if (mapped_) block_.source.resize(block_.text.size());
  block_.end = end;
  if (blocks.size() >= kMaxBlocks) {
    full_ = true;
    return;
  }
  blocks.push_back(std::move(block_));
}

Status BlockSink::status() const {
  if (!full_) return {};
  return {Code::kExhausted, "more blocks or contexts than the extractor's limits allow"};
}

Line line_at(std::string_view text, std::size_t at) {
  const std::size_t end = std::min(text.find_first_of("\r\n", at), text.size());
  std::size_t next = end;
  if (next < text.size())
    next += text[next] == '\r' && next + 1 < text.size() && text[next + 1] == '\n' ? 2 : 1;
  return {at, end, next};
}

std::size_t trimmed_end(std::string_view text, const Line& line) {
  std::size_t end = line.end;
  while (end > line.begin && is_space(text[end - 1])) --end;
  return end;
}

bool is_blank(std::string_view line) { return std::all_of(line.begin(), line.end(), is_space); }

std::string_view utf8_prefix(std::string_view text, std::size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

std::size_t utf8_size(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

namespace {

// Named references by gumbo, which has the table: it parses just the reference.
std::string named_reference(std::string_view reference) {
  const std::string text(reference);
  GumboOutput* output = gumbo_parse_with_options(&kGumboDefaultOptions, text.data(), text.size());
  std::string decoded;
  const GumboVector& children = output->root->v.element.children;
  for (unsigned i = 0; i < children.length; ++i) {
    const auto* child = static_cast<const GumboNode*>(children.data[i]);
    if (child->type != GUMBO_NODE_ELEMENT || child->v.element.tag != GUMBO_TAG_BODY) continue;
    if (child->v.element.children.length == 0) continue;
    const auto* node = static_cast<const GumboNode*>(child->v.element.children.data[0]);
    if (node->type == GUMBO_NODE_TEXT) decoded = node->v.text.text;
  }
  gumbo_destroy_output(&kGumboDefaultOptions, output);
  return decoded;
}

// &#123; and &#x7B;: HTML reads 0x80 to 0x9F as windows-1252.
Reference numeric_reference(std::string_view text) {
  static constexpr std::uint16_t kWindows1252[32] = {
      0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
      0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
      0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};
  const bool hex = text.size() > 2 && to_lower(text[2]) == 'x';
  const std::size_t first = hex ? 3 : 2;
  std::size_t at = first;
  std::int32_t value = 0;
  for (; at < text.size() && at < first + 10; ++at) {
    const char c = to_lower(text[at]);
    const bool letter = hex && c >= 'a' && c <= 'f';
    if (!is_digit(c) && !letter) break;
    value = std::min(value, 0x110000) * (hex ? 16 : 10) + (letter ? c - 'a' + 10 : c - '0');
  }
  if (at == first) return {};
  if (at < text.size() && text[at] == ';') ++at;
  if (value >= 0x80 && value < 0xA0) value = kWindows1252[value - 0x80];
  Reference reference;
  append_utf8(reference.text, value);
  reference.size = at;
  return reference;
}

}  // namespace

Reference reference_at(std::string_view text, std::size_t at) {
  constexpr std::size_t kMaxName = 40;
  text = text.substr(at, kMaxName);
  if (text.size() > 1 && text[1] == '#') return numeric_reference(text);
  std::size_t end = 1;
  while (end < text.size() && is_alnum(text[end])) ++end;
  if (end == 1) return {};
  const std::string_view name = text.substr(1, end - 1);
  const bool closed = end < text.size() && text[end] == ';';
  static constexpr std::pair<std::string_view, std::string_view> kCommon[] = {
      {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"nbsp", "\xC2\xA0"}, {"apos", "'"}};
  for (const auto& [common, decoded] : kCommon) {
    if (name == common && (closed || common != "apos"))
      return {std::string(decoded), end + (closed ? 1 : 0)};
  }
  if (!closed) return {};
  Reference reference{named_reference(text.substr(0, end + 1)), end + 1};
  if (reference.text.empty() || reference.text[0] == '&') return {};
  return reference;
}

}  // namespace kedge
