#include "ingest/chunk_units.h"

#include <unicode/brkiter.h>
#include <unicode/utext.h>

#include <algorithm>
#include <memory>

#include "base/hash.h"

namespace kedge {
namespace {

std::uint64_t text_hash(std::string_view text) {
  const Id128 hash = xxh3_128(as_bytes(text));
  ByteReader reader(hash.bytes);
  return reader.get<std::uint64_t>();
}

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

// Of what a block begins with: an append that makes the last block longer must not move the cut
// before it. Records are never made longer, and their first lines are often alike.
std::uint64_t block_hash(const Block& block) {
  const bool record = block.kind == BlockKind::kRecord || block.kind == BlockKind::kTableRow;
  const std::string_view text = block.text;
  return text_hash(record ? text : text.substr(0, text.find('\n')));
}

// The text between two places of a block, and how good a cut before it is.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::uint8_t rank = 0;
};

// Cuts one long block. Places are bytes of its text; only safe ones (MappedText) are cut at.
class BlockCutter {
 public:
  BlockCutter(const MappedText& mapped, std::size_t max_tokens, const TokenCounter& count_tokens)
      : mapped_(mapped), text_(mapped.text), max_tokens_(max_tokens), count_tokens_(count_tokens) {}

  struct Piece {
    Span span;
    std::size_t tokens = 0;
  };

  std::vector<Piece> cut() {
    for (const Span& sentence : sentences()) {
      const std::size_t tokens = count(sentence);
      if (tokens <= max_tokens_) {
        pieces_.push_back({sentence, tokens});
      } else {
        cut_sentence(sentence);
      }
    }
    return std::move(pieces_);
  }

 private:
  [[nodiscard]] std::size_t count(const Span& span) const {
    return count_tokens_(text_.substr(span.begin, span.end - span.begin));
  }

  [[nodiscard]] bool safe(std::size_t at) const {
    if (at == 0 || at >= text_.size()) return false;
    return (static_cast<unsigned char>(text_[at]) & 0xC0) != 0x80 &&
           mapped_.offsets[at] > mapped_.offsets[at - 1];
  }

  std::vector<Span> sentences() const {
    std::vector<Span> spans;
    UErrorCode status = U_ZERO_ERROR;
    const std::unique_ptr<icu::BreakIterator> breaks(
        icu::BreakIterator::createSentenceInstance(icu::Locale::getRoot(), status));
    UText utext = UTEXT_INITIALIZER;
    // It is closed by whatever way this is left: below memory may not suffice.
    const std::unique_ptr<UText, decltype(&utext_close)> closed(&utext, &utext_close);
    utext_openUTF8(&utext, text_.data(), static_cast<std::int64_t>(text_.size()), &status);
    if (U_FAILURE(status)) return {{0, text_.size(), kSentenceRank}};
    breaks->setText(&utext, status);
    std::size_t begin = 0;
    for (std::int32_t at = breaks->first(); at != icu::BreakIterator::DONE; at = breaks->next()) {
      const auto place = static_cast<std::size_t>(at);
      if (!safe(place)) continue;
      spans.push_back({begin, place, kSentenceRank});
      begin = place;
    }
    spans.push_back({begin, text_.size(), kSentenceRank});
    return spans;
  }

  // At the beginnings of words.
  void cut_sentence(const Span& sentence) {
    std::size_t begin = sentence.begin;
    std::uint8_t rank = sentence.rank;
    for (std::size_t at = sentence.begin + 1; at <= sentence.end; ++at) {
      const bool word =
          at < sentence.end && is_blank(text_[at - 1]) && !is_blank(text_[at]) && safe(at);
      if (!word && at < sentence.end) continue;
      cut_word({begin, at, rank});
      begin = at;
      rank = kWordRank;
    }
  }

  // Within a word where the four bytes before say so, so that a change moves few cuts; after
  // kMaxWordBytes at the latest where the text allows.
  void cut_word(Span word) {
    if (word.end - word.begin <= kMaxWordBytes) {
      pieces_.push_back({word, count(word)});
      return;
    }
    for (std::size_t at = word.begin + 1; at < word.end; ++at) {
      if (!safe(at)) continue;
      const bool chosen = at >= word.begin + 4 && text_hash(text_.substr(at - 4, 4)) % 16 == 0;
      // The next character could pass the limit.
      if (!chosen && at + 4 <= word.begin + kMaxWordBytes) continue;
      const Span piece{word.begin, at, word.rank};
      pieces_.push_back({piece, count(piece)});
      word = {at, word.end, kCharacterRank};
    }
    pieces_.push_back({word, count(word)});
  }

  const MappedText& mapped_;
  std::string_view text_;
  std::size_t max_tokens_;
  const TokenCounter& count_tokens_;
  std::vector<Piece> pieces_;
};

// How much of the text behind a place decides about a cut inside a block.
constexpr std::size_t kHashedBytes = 48;

Status add_pieces(ByteView raw, const Extraction& extraction, const ChunkUnit& whole,
                  std::size_t max_tokens, const TokenCounter& count_tokens,
                  std::vector<ChunkUnit>& units) {
  const SpanContext context{extraction.media_type, extraction.charset,
                            extraction.contexts[extraction.context_of_block[whole.block]]};
  const MappedText mapped =
      KEDGE_TRY(map_span(raw.subspan(whole.begin, whole.end - whole.begin), context));
  const std::string_view text = mapped.text;
  std::size_t line = 0;
  const auto line_of = [&](std::uint64_t offset) {
    while (line < mapped.line_starts.size() && mapped.line_starts[line] <= offset) ++line;
    return whole.line_first + line;
  };
  for (const BlockCutter::Piece& piece : BlockCutter(mapped, max_tokens, count_tokens).cut()) {
    ChunkUnit unit = whole;
    const bool first = piece.span.begin == 0;
    const bool last = piece.span.end >= text.size();
    unit.piece = true;
    unit.begin = first ? whole.begin : whole.begin + mapped.offsets[piece.span.begin];
    unit.end = last ? whole.end : whole.begin + mapped.offsets[piece.span.end];
    unit.line_first = line_of(unit.begin - whole.begin);
    unit.line_last = last ? whole.line_last : line_of(unit.end - whole.begin - 1);
    unit.tokens = piece.tokens;
    if (!first) unit.rank = piece.span.rank;
    if (!first) unit.hash = text_hash(text.substr(piece.span.begin, kHashedBytes));
    unit.text = text.substr(piece.span.begin, piece.span.end - piece.span.begin);
    units.push_back(std::move(unit));
  }
  return {};
}

}  // namespace

Result<std::vector<ChunkUnit>> make_units(ByteView raw, const Extraction& extraction,
                                          std::size_t max_tokens,
                                          const TokenCounter& count_tokens) {
  // A text this long is cut without being counted first.
  const std::size_t surely_long = max_tokens * 16;
  std::vector<ChunkUnit> units;
  units.reserve(extraction.blocks.size());
  bool behind_heading = false;
  for (std::size_t i = 0; i < extraction.blocks.size(); ++i) {
    const Block& block = extraction.blocks[i];
    ChunkUnit unit;
    unit.block = i;
    unit.begin = block.begin;
    unit.end = block.end;
    unit.line_first = block.line_first;
    unit.line_last = block.line_last;
    const bool heading = block.kind == BlockKind::kHeading;
    unit.rank = heading ? std::clamp<std::uint8_t>(block.level, 1, 6) : kBlockRank;
    // A heading is no good at the end of a chunk.
    if (behind_heading && !heading) unit.rank = kBehindHeadingRank;
    behind_heading = heading;
    unit.hash = block_hash(block);
    unit.tokens = block.text.size() > surely_long ? max_tokens + 1 : count_tokens(block.text);
    if (unit.tokens <= max_tokens) {
      units.push_back(std::move(unit));
    } else {
      KEDGE_TRY(add_pieces(raw, extraction, unit, max_tokens, count_tokens, units));
    }
  }
  return units;
}

std::string_view unit_text(const ChunkUnit& unit, const Extraction& extraction) {
  return unit.piece ? std::string_view(unit.text)
                    : std::string_view(extraction.blocks[unit.block].text);
}

}  // namespace kedge
