#include "embed/wordpiece.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>

#include "base/allocation.h"
#include "base/hash.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "embed/bert_characters.h"

namespace kedge {
namespace {

struct PieceHash {
  std::size_t operator()(std::string_view piece) const noexcept {
    // FNV-1a: pieces are a few bytes, and a call to a general hash would cost more than they do.
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const char c : piece) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
    return static_cast<std::size_t>(hash ^ (hash >> 32));
  }
};

// Pieces of one kind: those that begin a word, or those that continue one ("##" cut off).
struct Pieces {
  std::unordered_map<std::string_view, std::int32_t, PieceHash> ids;
  std::size_t longest = 0;

  void add(std::string_view piece, std::int32_t id) {
    if (piece.empty()) return;
    ids.insert_or_assign(piece, id);
    longest = std::max(longest, piece.size());
  }
  [[nodiscard]] std::int32_t find(std::string_view piece) const {
    const auto found = ids.find(piece);
    return found == ids.end() ? -1 : found->second;
  }
};

constexpr std::string_view kContinuing = "##";
constexpr std::array<std::string_view, 5> kSpecialTokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]",
                                                            "[MASK]"};

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; }

}  // namespace

struct WordPiece::Vocabulary {
  std::string text;  // what the pieces point into
  WordPieceOptions options;
  Pieces first;
  Pieces continuing;
  std::array<std::int32_t, kSpecialTokens.size()> special{};  // -1: not in the vocabulary
  std::size_t size = 0;

  [[nodiscard]] std::int32_t unknown() const { return special[1]; }
  [[nodiscard]] std::int32_t begin() const { return special[2]; }
  [[nodiscard]] std::int32_t end() const { return special[3]; }
};

// One pass over one text: characters go through the stages of the normalizer, words into pieces.
class WordPiece::Scanner {
 public:
  // Stops when `limit` tokens are known. `ids` may be null: then tokens are only counted.
  Scanner(const Vocabulary& vocabulary, std::size_t limit, std::vector<std::int32_t>* ids)
      : vocabulary_(vocabulary), limit_(limit), ids_(ids) {}

  std::size_t scan(std::string_view text) {
    for (std::size_t at = 0; at < text.size() && count_ < limit_;) {
      const auto byte = static_cast<unsigned char>(text[at]);
      if (byte >= 0x80) {
        const Utf8Character next = next_utf8(text, at);
        at += next.size;
        if (next.valid) character(next.character);
      } else {
        const std::size_t special = byte == '[' ? special_token(text.substr(at)) : 0;
        if (special == 0) ascii(byte);
        at += std::max<std::size_t>(special, 1);
      }
    }
    end_word();
    return count_;
  }

 private:
  // The special token that the text starts with, if any: adds it, and returns its bytes. They are
  // found in the raw text, so they split words, and no stage below changes them.
  std::size_t special_token(std::string_view text) {
    for (std::size_t i = 0; i < kSpecialTokens.size(); ++i) {
      if (vocabulary_.special[i] < 0 || !text.starts_with(kSpecialTokens[i])) continue;
      end_word();
      add(vocabulary_.special[i]);
      return kSpecialTokens[i].size();
    }
    return 0;
  }

  void ascii(unsigned char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (letter) {
      flush_marks();
      append(c);
    } else if (c == ' ' || (c >= '\t' && c <= '\r' && c != '\v' && c != '\f')) {
      end_word();
    } else if (c >= 0x20 && c != 0x7F) {
      flush_marks();
      finished(c);
    }
  }

  void character(char32_t c) {
    if (is_removed_character(c)) return;
    if (is_space_character(c)) return end_word();
    if (vocabulary_.options.split_chinese && is_chinese_character(c)) {
      end_word();
      decomposed(c);
      return end_word();
    }
    decomposed(c);
  }

  void decomposed(char32_t c) {
    if (!vocabulary_.options.strip_accents) return finished(c);
    const Decomposition parts = decompose(c);
    for (std::size_t i = 0; i < parts.count; ++i) {
      const char32_t part = parts.characters[i];
      const int combining = combining_class(part);
      if (combining == 0) flush_marks();  // a stripped mark of class 0 ends a run too
      if (is_nonspacing_mark(part)) continue;
      if (combining == 0) {
        finished(part);
      } else {
        marks_.push_back({combining, part});
      }
    }
  }

  // Canonical order: a run of marks by combining class, else as written.
  void flush_marks() {
    if (marks_.empty()) return;
    std::stable_sort(marks_.begin(), marks_.end(),
                     [](const Mark& a, const Mark& b) { return a.combining < b.combining; });
    for (const Mark& mark : marks_) finished(mark.character);
    marks_.clear();
  }

  // A character that only lower case can still change.
  void finished(char32_t c) {
    if (vocabulary_.options.lower_case) {
      const bool dotted = c == kCapitalDottedI;
      c = c < 0x80 ? (c >= 'A' && c <= 'Z' ? c + 32 : c) : lower_case(c);
      if (dotted) {
        append(c);
        c = kLowerCaseOfDottedI;
      }
    }
    if (!is_punctuation_character(c)) return append(c);
    match_word();
    append(c);
    match_word();
  }

  void append(char32_t c) {
    if (++word_characters_ <= kMaxWordCharacters) append_utf8(word_, c);
  }

  void end_word() {
    flush_marks();
    match_word();
  }

  // The longest piece at each place of the word; a place without one makes the whole word unknown.
  void match_word() {
    if (word_characters_ == 0) return;
    pieces_.clear();
    if (word_characters_ > kMaxWordCharacters || !match_pieces(word_)) {
      add(vocabulary_.unknown());
    } else {
      for (const std::int32_t id : pieces_) add(id);
    }
    word_.clear();
    word_characters_ = 0;
  }

  bool match_pieces(std::string_view word) {
    const Pieces* kind = &vocabulary_.first;
    while (!word.empty()) {
      std::size_t size = std::min(word.size(), kind->longest);
      std::int32_t id = -1;
      for (; size > 0; --size) {
        if (size < word.size() && !begins_character(word[size])) continue;
        id = kind->find(word.substr(0, size));
        if (id >= 0) break;
      }
      if (id < 0) return false;
      pieces_.push_back(id);
      word.remove_prefix(size);
      kind = &vocabulary_.continuing;
    }
    return true;
  }

  void add(std::int32_t id) {
    if (count_ == limit_) return;
    ++count_;
    if (ids_ != nullptr) ids_->push_back(id);
  }

  struct Mark {
    int combining;
    char32_t character;
  };

  const Vocabulary& vocabulary_;
  const std::size_t limit_;
  std::vector<std::int32_t>* ids_;
  std::size_t count_ = 0;
  std::string word_;
  std::size_t word_characters_ = 0;  // may be more than word_ holds
  std::vector<Mark> marks_;
  std::vector<std::int32_t> pieces_;
};

WordPiece::WordPiece(std::unique_ptr<Vocabulary> vocabulary) : vocabulary_(std::move(vocabulary)) {}
WordPiece::WordPiece(WordPiece&&) noexcept = default;
WordPiece& WordPiece::operator=(WordPiece&&) noexcept = default;
WordPiece::~WordPiece() = default;

Result<WordPiece> WordPiece::make(std::string vocabulary, WordPieceOptions options) try {
  if (vocabulary.size() > kMaxVocabularyBytes) {
    return {Code::kCorrupt, str_cat("vocabulary: over ", kMaxVocabularyBytes, " bytes")};
  }
  if (const auto bad = find_invalid_utf8(vocabulary)) {
    return {Code::kCorrupt, str_cat("vocabulary: not UTF-8 at byte ", *bad)};
  }
  auto words = std::make_unique<Vocabulary>();
  words->text = std::move(vocabulary);
  words->options = options;
  const auto lines =
      static_cast<std::size_t>(std::count(words->text.begin(), words->text.end(), '\n'));
  if (lines >= kMaxTokens)
    return {Code::kCorrupt, str_cat("vocabulary: over ", kMaxTokens, " tokens")};
  words->first.ids.reserve(lines + 1);
  std::string_view rest = words->text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view token = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (token.ends_with('\r')) token.remove_suffix(1);
    if (token.size() > kMaxTokenBytes) {
      return {Code::kCorrupt, str_cat("vocabulary: line ", words->size + 1, " is too long")};
    }
    const auto id = static_cast<std::int32_t>(words->size++);
    words->first.add(token, id);
    if (token.starts_with(kContinuing)) words->continuing.add(token.substr(kContinuing.size()), id);
  }
  for (std::size_t i = 0; i < kSpecialTokens.size(); ++i) {
    words->special[i] = words->first.find(kSpecialTokens[i]);
    if (words->special[i] < 0 && kSpecialTokens[i] != "[MASK]") {
      return {Code::kCorrupt, str_cat("vocabulary: no token ", kSpecialTokens[i])};
    }
  }
  return WordPiece(std::move(words));
} catch (...) {
  return memory_error("vocabulary");
}

Result<std::vector<std::int32_t>> WordPiece::encode(std::string_view text,
                                                    std::size_t max_tokens) const try {
  KEDGE_CHECK(max_tokens >= 2);
  if (const auto bad = find_invalid_utf8(text)) {
    return {Code::kInvalid, str_cat("text is not UTF-8 at byte ", *bad)};
  }
  std::vector<std::int32_t> ids = {vocabulary_->begin()};
  Scanner(*vocabulary_, max_tokens - 2, &ids).scan(text);
  ids.push_back(vocabulary_->end());
  return ids;
} catch (...) {
  return memory_error("tokens");
}

std::size_t WordPiece::count(std::string_view text) const {
  return Scanner(*vocabulary_, std::numeric_limits<std::size_t>::max(), nullptr).scan(text);
}

std::size_t WordPiece::size() const { return vocabulary_->size; }

}  // namespace kedge
