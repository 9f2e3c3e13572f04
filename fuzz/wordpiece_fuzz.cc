// Any bytes as a text, on a small vocabulary: the first byte picks the options and the cut.
// Encoding and counting must agree, and refuse the same texts that are not UTF-8.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/utf8.h"
#include "embed/wordpiece.h"

namespace {

constexpr std::string_view kVocabulary =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\nb\n##b\nab\n##ab\n.\n##"
    "\xCC\x87\ni\n\xE6\x97\xA5\n";

kedge::WordPiece make(bool lower_case, bool strip_accents) {
  return std::move(kedge::WordPiece::make(std::string(kVocabulary), {.lower_case = lower_case,
                                                                     .strip_accents = strip_accents,
                                                                     .split_chinese = true}))
      .value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const kedge::WordPiece tokenizers[] = {make(false, false), make(true, false),
                                                make(false, true), make(true, true)};
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const kedge::WordPiece& tokenizer = tokenizers[data[0] & 3U];
  const std::size_t max_tokens = 2 + (data[0] >> 2U);
  const auto ids = tokenizer.encode(text, max_tokens);
  const std::size_t count = tokenizer.count(text);
  KEDGE_CHECK(ids.ok() == !kedge::find_invalid_utf8(text).has_value());
  if (!ids.ok()) return 0;
  KEDGE_CHECK(ids->size() == std::min(count + 2, max_tokens));
  for (const std::int32_t id : *ids) {
    KEDGE_CHECK(id >= 0 && static_cast<std::size_t>(id) < tokenizer.size());
  }
  return 0;
}
