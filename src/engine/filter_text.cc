// The short form of a filter:
//
//   filter     either { "or" either }, of either = one { "and" one }
//   one        "not" one | "(" filter ")" | "exists" "(" name ")" | condition
//   condition  name sign value | name ["not"] "in" "(" value { "," value } ")"
//   sign       = == != < <= > >= ^=
//   value      number | "text" | 'text' | true | false
//   name       letters, digits, "_" "-" "."; any other name in quotes
#include <charconv>
#include <cmath>
#include <utility>

#include "base/allocation.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "engine/filter.h"

namespace kedge {
namespace {

using Kind = Filter::Kind;

struct Token {
  enum class Kind : std::uint8_t { kEnd, kWord, kText, kNumber, kSign };
  Kind kind = Kind::kEnd;
  std::size_t begin = 0;
  std::string_view raw;  // as it is written
  std::string text;      // of kText
  double number = 0;
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool in_word(char c) { return begins_word(c) || is_digit(c) || c == '.' || c == '-'; }

Error wrong(std::size_t at, std::string_view what) {
  return {Code::kInvalid, str_cat("filter: ", what, " at position ", at + 1)};
}

class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {}

  Result<Token> next() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    Token token;
    token.begin = at_;
    if (at_ == text_.size()) return token;
    const char c = text_[at_];
    if (c == '"' || c == '\'') {
      KEDGE_TRY(quoted(token));
    } else if (is_digit(c) || c == '-' || c == '.') {
      KEDGE_TRY(number(token));
    } else if (begins_word(c)) {
      token.kind = Token::Kind::kWord;
      while (at_ < text_.size() && in_word(text_[at_])) ++at_;
    } else {
      KEDGE_TRY(sign(token));
    }
    token.raw = text_.substr(token.begin, at_ - token.begin);
    return token;
  }

 private:
  Status sign(Token& token) {
    token.kind = Token::Kind::kSign;
    for (const std::string_view sign :
         {"==", "!=", "<=", ">=", "^=", "=", "<", ">", "(", ")", ","}) {
      if (!text_.substr(at_).starts_with(sign)) continue;
      at_ += sign.size();
      return {};
    }
    return wrong(at_, str_cat("unexpected '", printable(text_.substr(at_, 1)), "'"));
  }

  Status number(Token& token) {
    token.kind = Token::Kind::kNumber;
    const char* const end = text_.data() + text_.size();
    const auto [rest, error] = std::from_chars(text_.data() + at_, end, token.number);
    if (error != std::errc() || !std::isfinite(token.number))
      return wrong(at_, "expected a number");
    at_ = static_cast<std::size_t>(rest - text_.data());
    if (at_ < text_.size() && in_word(text_[at_]))
      return wrong(token.begin, "expected a number, found one with more behind it");
    return {};
  }

  Status quoted(Token& token) {
    token.kind = Token::Kind::kText;
    const char quote = text_[at_++];
    while (true) {
      if (at_ == text_.size()) return wrong(token.begin, "expected the quote to be closed");
      const char c = text_[at_++];
      if (c == quote) return {};
      if (c != '\\') {
        token.text += c;
        continue;
      }
      KEDGE_TRY(escaped(token.text));
    }
  }

  // Behind a backslash, as in JSON.
  Status escaped(std::string& out) {
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    constexpr std::string_view kFrom = "\"'\\/bfnrt";
    constexpr std::string_view kTo = "\"'\\/\b\f\n\r\t";
    if (const std::size_t known = kFrom.find(c); known != std::string_view::npos) {
      out += kTo[known];
      return {};
    }
    if (c != 'u') return wrong(at_ - 1, "expected an escape of JSON");
    std::uint32_t character = KEDGE_TRY(four_digits());
    const bool high = character >= 0xD800 && character < 0xDC00;
    if (high && text_.substr(at_).starts_with("\\u")) {
      at_ += 2;
      const std::uint32_t low = KEDGE_TRY(four_digits());
      if (low < 0xDC00 || low > 0xDFFF) return wrong(at_ - 4, "expected the other half of a pair");
      character = 0x10000 + ((character - 0xD800) << 10) + (low - 0xDC00);
    }
    if (character >= 0xD800 && character < 0xE000)
      return wrong(at_ - 4, "expected a character, found half of one");
    append_utf8(out, static_cast<char32_t>(character));
    return {};
  }

  Result<std::uint32_t> four_digits() {
    const std::string_view digits = text_.substr(at_, 4);
    std::uint32_t value = 0;
    const auto [rest, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 4 || error != std::errc() || rest != digits.data() + 4)
      return wrong(at_, "expected four hexadecimal digits");
    at_ += 4;
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

class TextParser {
 public:
  explicit TextParser(std::string_view text) : tokens_(text) {}

  Result<Filter> run() {
    KEDGE_TRY(advance());
    Filter filter = KEDGE_TRY(any(0));
    if (token_.kind != Token::Kind::kEnd) return expected("'and', 'or' or the end");
    return filter;
  }

 private:
  Status advance() {
    token_ = KEDGE_TRY(tokens_.next());
    return {};
  }
  [[nodiscard]] Error expected(std::string_view what) const {
    const bool text = token_.kind == Token::Kind::kText;
    const std::string found =
        token_.kind == Token::Kind::kEnd
            ? "the end"
            : str_cat(text ? "the text '" : "'",
                      printable(text ? std::string_view(token_.text) : token_.raw), "'");
    return wrong(token_.begin, str_cat("expected ", what, ", found ", found));
  }
  [[nodiscard]] bool is_sign(std::string_view sign) const {
    return token_.kind == Token::Kind::kSign && token_.raw == sign;
  }
  // Keywords are written in any case.
  [[nodiscard]] bool is_word(std::string_view word) const {
    if (token_.kind != Token::Kind::kWord || token_.raw.size() != word.size()) return false;
    for (std::size_t i = 0; i < word.size(); ++i) {
      if ((token_.raw[i] | 0x20) != word[i]) return false;
    }
    return true;
  }
  Status take_sign(std::string_view sign) {
    if (!is_sign(sign)) return expected(str_cat("'", sign, "'"));
    return advance();
  }
  Status count_term() {
    if (++terms_ > kMaxFilterTerms)
      return wrong(token_.begin, str_cat("more than ", kMaxFilterTerms, " conditions"));
    return {};
  }

  Result<Filter> any(std::size_t depth) {
    std::vector<Filter> parts;
    do {
      if (!parts.empty()) KEDGE_TRY(advance());
      parts.push_back(KEDGE_TRY(all(depth)));
    } while (is_word("or"));
    return join(Kind::kAny, std::move(parts));
  }

  Result<Filter> all(std::size_t depth) {
    std::vector<Filter> parts;
    do {
      if (!parts.empty()) KEDGE_TRY(advance());
      parts.push_back(KEDGE_TRY(one(depth)));
    } while (is_word("and"));
    return join(Kind::kAll, std::move(parts));
  }

  Result<Filter> one(std::size_t depth) {
    KEDGE_TRY(count_term());
    if (depth > kMaxFilterDepth)
      return wrong(token_.begin, str_cat("nested more than ", kMaxFilterDepth, " deep"));
    if (is_word("not")) {
      KEDGE_TRY(advance());
      return negate(KEDGE_TRY(one(depth + 1)));
    }
    if (is_sign("(")) {
      KEDGE_TRY(advance());
      Filter inner = KEDGE_TRY(any(depth + 1));
      KEDGE_TRY(take_sign(")"));
      return inner;
    }
    if (is_word("exists")) {
      KEDGE_TRY(advance());
      KEDGE_TRY(take_sign("("));
      Filter filter;
      filter.field = KEDGE_TRY(name());
      KEDGE_TRY(take_sign(")"));
      return filter;
    }
    return condition();
  }

  Result<FilterField> name() {
    const bool keyword = is_word("and") || is_word("or") || is_word("not") || is_word("in") ||
                         is_word("exists") || is_word("true") || is_word("false");
    const bool word = token_.kind == Token::Kind::kWord && !keyword;
    if (!word && token_.kind != Token::Kind::kText) return expected("a name");
    FilterField field = field_of(word ? token_.raw : std::string_view(token_.text));
    KEDGE_TRY(advance());
    return field;
  }

  Result<Filter> condition() {
    Filter filter;
    filter.field = KEDGE_TRY(name());
    const bool negated = is_word("not");
    if (negated) KEDGE_TRY(advance());
    if (is_word("in")) {
      KEDGE_TRY(advance());
      filter.kind = Kind::kIn;
      KEDGE_TRY(list(filter));
      return negated ? negate(std::move(filter)) : std::move(filter);
    }
    if (negated) return expected("'in'");
    constexpr std::pair<std::string_view, Kind> kSigns[] = {{"=", Kind::kIn},
                                                            {"==", Kind::kIn},
                                                            {"!=", Kind::kIn},
                                                            {"<", Kind::kLess},
                                                            {"<=", Kind::kLessOrEqual},
                                                            {">", Kind::kGreater},
                                                            {">=", Kind::kGreaterOrEqual},
                                                            {"^=", Kind::kPrefix}};
    for (const auto& [sign, kind] : kSigns) {
      if (!is_sign(sign)) continue;
      KEDGE_TRY(advance());
      filter.kind = kind;
      filter.values.push_back(KEDGE_TRY(value(filter)));
      return sign == "!=" ? negate(std::move(filter)) : std::move(filter);
    }
    return expected("a comparison (= != < <= > >= ^= in)");
  }

  Status list(Filter& filter) {
    KEDGE_TRY(take_sign("("));
    while (true) {
      if (filter.values.size() == kMaxFilterValues)
        return wrong(token_.begin, str_cat("a list of more than ", kMaxFilterValues, " values"));
      filter.values.push_back(KEDGE_TRY(value(filter)));
      if (is_sign(")")) return advance();
      if (!is_sign(",")) return expected("',' or ')'");
      KEDGE_TRY(advance());
    }
  }

  Result<MetadataScalar> value(const Filter& filter) {
    MetadataScalar literal;
    if (token_.kind == Token::Kind::kText) {
      literal = token_.text;
    } else if (token_.kind == Token::Kind::kNumber) {
      literal = token_.number;
    } else if (is_word("true") || is_word("false")) {
      literal = is_word("true");
    } else {
      return expected("a value (a number, a text in quotes, true or false)");
    }
    Result<MetadataScalar> out = comparable(filter.field, filter.kind, std::move(literal));
    if (!out.ok()) return expected(out.error().message);
    KEDGE_TRY(advance());
    return out;
  }

  Tokens tokens_;
  Token token_;
  std::size_t terms_ = 0;
};

}  // namespace

Result<Filter> parse_filter_text(std::string_view text) try {
  if (text.size() > kMaxFilterBytes)
    return {Code::kInvalid, str_cat("filter: more than ", kMaxFilterBytes, " bytes")};
  return TextParser(text).run();
} catch (...) {
  return memory_error("filter");
}

}  // namespace kedge
