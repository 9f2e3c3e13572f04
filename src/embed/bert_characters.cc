#include "embed/bert_characters.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

#include <algorithm>

namespace kedge {
namespace {

UChar32 icu(char32_t c) { return static_cast<UChar32>(c); }

// Whether a version of Unicode knew the character. Unassigned ones have age 0.
bool known_to(char32_t c, int major) {
  UVersionInfo age;
  u_charAge(icu(c), age);
  return age[0] != 0 && age[0] <= major;
}

constexpr int kCategoriesVersion = 8;
constexpr int kNormalizationVersion = 9;
constexpr int kIcuCaseVersion = 15;

// Categories that changed after Unicode 8.0.
constexpr char32_t kOghamHalt = 0x166D;                     // Po, became So in 12.0
constexpr char32_t kHanunooPamudpod = 0x1734;               // Mn, became Mc in 14.0
constexpr char32_t kMongolianAliGali[] = {0x1885, 0x1886};  // Lo, became Mn in 9.0
constexpr char32_t kJavaneseKeret = 0xA9BD;                 // Mc, became Mn in 11.0
constexpr char32_t kSharadaSandhiMark = 0x111C9;            // Po, became Mn in 11.0

// Lower case that Unicode 16.0 added: `first` to `last`, plus `distance`.
struct CaseRange {
  char32_t first;
  char32_t last;
  int distance;
};
constexpr CaseRange kNewerCase[] = {
    {0x1C89, 0x1C89, 1}, {0xA7CB, 0xA7CB, 0x264 - 0xA7CB}, {0xA7CC, 0xA7CC, 1},
    {0xA7DA, 0xA7DA, 1}, {0xA7DC, 0xA7DC, 0x19B - 0xA7DC}, {0x10D50, 0x10D65, 0x20},
};

struct Range {
  char32_t first;
  char32_t last;
};
// The ideographs that BERT puts between spaces. The sixth begins at U+2B920 and not at U+2B820 in
// the reference too.
constexpr Range kChinese[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                              {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF},
                              {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};

bool is_ascii_punctuation(char32_t c) {
  return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
         (c >= 0x7B && c <= 0x7E);
}

}  // namespace

bool is_removed_character(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  if (c == 0xFFFD) return true;
  const int category = u_charType(icu(c));
  if (category == U_CONTROL_CHAR || category == U_PRIVATE_USE_CHAR || category == U_SURROGATE) {
    return true;
  }
  return category == U_FORMAT_CHAR && known_to(c, kCategoriesVersion);
}

bool is_space_character(char32_t c) { return u_isUWhiteSpace(icu(c)) != 0; }

bool is_chinese_character(char32_t c) {
  return std::any_of(std::begin(kChinese), std::end(kChinese),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

bool is_punctuation_character(char32_t c) {
  if (c < 0x80) return is_ascii_punctuation(c);
  if (c == kOghamHalt || c == kSharadaSandhiMark) return true;
  return (U_GET_GC_MASK(icu(c)) & U_GC_P_MASK) != 0 && known_to(c, kCategoriesVersion);
}

bool is_nonspacing_mark(char32_t c) {
  if (c < 0x300) return false;
  if (c == kHanunooPamudpod) return true;
  if (u_charType(icu(c)) != U_NON_SPACING_MARK) return false;
  if (c == kMongolianAliGali[0] || c == kMongolianAliGali[1]) return false;
  if (c == kJavaneseKeret || c == kSharadaSandhiMark) return false;
  return known_to(c, kCategoriesVersion);
}

int combining_class(char32_t c) {
  if (c < 0x300) return 0;
  const int combining = u_getCombiningClass(icu(c));
  return combining != 0 && known_to(c, kNormalizationVersion) ? combining : 0;
}

char32_t lower_case(char32_t c) {
  if (c == kCapitalDottedI) return 'i';
  for (const CaseRange& range : kNewerCase) {
    if (c >= range.first && c <= range.last) {
      return static_cast<char32_t>(static_cast<int>(c) + range.distance);
    }
  }
  return known_to(c, kIcuCaseVersion) ? static_cast<char32_t>(u_tolower(icu(c))) : c;
}

Decomposition decompose(char32_t c) {
  const Decomposition itself = {{c}, 1};
  if (c < 0xC0) return itself;
  UErrorCode error = U_ZERO_ERROR;
  const UNormalizer2* nfd = unorm2_getNFDInstance(&error);
  if (U_FAILURE(error)) return itself;
  UChar units[16];
  const std::int32_t length = unorm2_getDecomposition(nfd, icu(c), units, 16, &error);
  if (U_FAILURE(error) || length < 0 || !known_to(c, kNormalizationVersion)) return itself;
  Decomposition result = {{}, 0};
  for (std::int32_t i = 0; i < length && result.count < result.characters.size();) {
    UChar32 next = 0;
    U16_NEXT(units, i, length, next);
    result.characters[result.count++] = static_cast<char32_t>(next);
  }
  return result;
}

}  // namespace kedge
