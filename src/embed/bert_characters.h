// What BERT's tokenizer does with one character, exactly as the package `tokenizers` does it.
//
// That package mixes tables of three ages: character categories of Unicode 8.0, decompositions and
// combining classes of Unicode 9.0, and lower case of Unicode 16.0. ICU answers for its own, newer
// version, so each answer is limited to the characters that the table's version knew; what Unicode
// changed later for a known character is listed in the .cc. A newer ICU therefore changes nothing.
// tests/embed/test_tokenizer_parity.py compares every code point.
#pragma once

#include <array>
#include <cstddef>

namespace kedge {

// Removed before anything else: NUL, U+FFFD, controls, format characters and private use.
bool is_removed_character(char32_t c);
bool is_space_character(char32_t c);
bool is_chinese_character(char32_t c);
bool is_punctuation_character(char32_t c);
// A nonspacing mark: what "strip accents" strips.
bool is_nonspacing_mark(char32_t c);
int combining_class(char32_t c);
// The lower case of one character on its own (no final sigma). U+0130, whose lower case is two
// characters, yields the first, 'i'; its second is kLowerCaseOfDottedI.
char32_t lower_case(char32_t c);

inline constexpr char32_t kCapitalDottedI = 0x0130;
inline constexpr char32_t kLowerCaseOfDottedI = 0x0307;

// Full canonical decomposition; most characters are their own.
struct Decomposition {
  std::array<char32_t, 8> characters;  // Unicode's longest has four
  std::size_t count;
};
Decomposition decompose(char32_t c);

}  // namespace kedge
