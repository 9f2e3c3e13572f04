// BERT's tokenizer: text to the ids of a vocabulary, equal to the package `tokenizers` on the same
// model (BertNormalizer, BertPreTokenizer, WordPiece, special tokens found in the text).
//
// Time is linear in the text (a word is looked at up to kMaxWordCharacters), memory bounded by it;
// nothing throws. Threads: const methods, from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kedge {

struct WordPieceOptions {
  bool lower_case = true;
  bool strip_accents = true;
  bool split_chinese = true;
};

class WordPiece {
 public:
  // A word of more characters, after normalisation, is one [UNK].
  static constexpr std::size_t kMaxWordCharacters = 100;
  static constexpr std::size_t kMaxVocabularyBytes = std::size_t{64} << 20;
  static constexpr std::size_t kMaxTokens = std::size_t{1} << 20;
  static constexpr std::size_t kMaxTokenBytes = 1024;

  // `vocabulary` is vocab.txt: a token a line, its line number from 0 is its id; of equal lines the
  // last counts. kCorrupt: over a limit, not UTF-8, or without [PAD], [UNK], [CLS] or [SEP].
  static Result<WordPiece> make(std::string vocabulary, WordPieceOptions options);

  WordPiece(WordPiece&&) noexcept;
  WordPiece& operator=(WordPiece&&) noexcept;
  ~WordPiece();

  // [CLS], the tokens of the text, [SEP]: at most max_tokens of them, by leaving out the last ones
  // of the text. Precondition: max_tokens >= 2. kInvalid: not UTF-8, with the offset.
  [[nodiscard]] Result<std::vector<std::int32_t>> encode(std::string_view text,
                                                         std::size_t max_tokens) const;

  // Tokens of the text without [CLS] and [SEP], uncut. Bytes that are not UTF-8 count as U+FFFD,
  // which has no token.
  [[nodiscard]] std::size_t count(std::string_view text) const;

  // How many ids there are: each id is below it.
  [[nodiscard]] std::size_t size() const;

 private:
  struct Vocabulary;
  class Scanner;
  explicit WordPiece(std::unique_ptr<Vocabulary> vocabulary);
  std::unique_ptr<Vocabulary> vocabulary_;
};

}  // namespace kedge
