#include "ingest/npy_header.h"

#include <optional>
#include <vector>

#include "base/allocation.h"
#include "base/strings.h"

namespace kedge {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxAxes = 32;  // NumPy's own limit, of old

struct TypeName {
  std::string_view name;
  ElementType type;
};
constexpr TypeName kTypes[] = {{"<f2", ElementType::kF16},
                               {"<f4", ElementType::kF32},
                               {"<f8", ElementType::kF64},
                               {"|i1", ElementType::kI8},
                               {"|u1", ElementType::kU8}};

// Just the literals that NumPy writes: a dict of strings, booleans and a tuple of numbers.
class Literal {
 public:
  Literal(std::string_view text, std::size_t begin) : text_(text), begin_(begin) {}

  bool take(char wanted) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  std::optional<std::string_view> take_string() {
    skip_spaces();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') return std::nullopt;
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    if (inside.find('\\') != std::string_view::npos) return std::nullopt;
    at_ = end + 1;
    return inside;
  }
  std::optional<bool> take_boolean() {
    skip_spaces();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return word == "True";
      }
    }
    return std::nullopt;
  }
  std::optional<std::uint64_t> take_number() {
    skip_spaces();
    const std::size_t start = at_;
    std::uint64_t number = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
      if (__builtin_mul_overflow(number, std::uint64_t{10}, &number) ||
          __builtin_add_overflow(number, digit, &number)) {
        return std::nullopt;
      }
    }
    if (at_ == start) return std::nullopt;
    return number;
  }
  std::optional<std::vector<std::uint64_t>> take_tuple() {
    if (!take('(')) return std::nullopt;
    std::vector<std::uint64_t> numbers;
    while (!take(')')) {
      if (numbers.size() == kMaxAxes) return std::nullopt;
      const auto number = take_number();
      if (!number) return std::nullopt;
      numbers.push_back(*number);
      if (take(',')) continue;
      if (!take(')')) return std::nullopt;
      break;
    }
    return numbers;
  }
  bool at_end() {
    skip_spaces();
    return at_ == text_.size();
  }
  [[nodiscard]] Error bad(std::string_view what) const {
    return {Code::kInvalid, str_cat("header at byte ", begin_ + at_, ": ", what)};
  }

 private:
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  std::string_view text_;
  std::size_t begin_;  // of the text in the file
  std::size_t at_ = 0;
};

struct Fields {
  std::optional<std::string_view> type;
  std::optional<bool> fortran;
  std::optional<std::vector<std::uint64_t>> shape;
};

Status parse_field(Literal& literal, Fields& fields) {
  const auto name = literal.take_string();
  if (!name || !literal.take(':')) return literal.bad("expected a name and a colon");
  if (*name == "descr" && !fields.type) {
    fields.type = literal.take_string();
    if (!fields.type) return literal.bad("descr is no plain type");
  } else if (*name == "fortran_order" && !fields.fortran) {
    fields.fortran = literal.take_boolean();
    if (!fields.fortran) return literal.bad("fortran_order is neither True nor False");
  } else if (*name == "shape" && !fields.shape) {
    fields.shape = literal.take_tuple();
    if (!fields.shape) return literal.bad("shape is no tuple of numbers");
  } else {
    return literal.bad(str_cat("unexpected field '", printable(*name), "'"));
  }
  return {};
}

Result<Fields> parse_fields(Literal literal) {
  Fields fields;
  if (!literal.take('{')) return literal.bad("expected '{'");
  while (!literal.take('}')) {
    KEDGE_TRY(parse_field(literal, fields));
    if (literal.take(',')) continue;
    if (!literal.take('}')) return literal.bad("expected ',' or '}'");
    break;
  }
  if (!literal.at_end()) return literal.bad("text after '}'");
  if (!fields.type || !fields.fortran || !fields.shape) {
    return literal.bad("descr, fortran_order or shape is missing");
  }
  return fields;
}

Error unsupported(std::string what) { return {Code::kUnsupported, std::move(what)}; }

Result<ElementType> parse_type(std::string_view name) {
  for (const TypeName& known : kTypes) {
    // One byte has no order: '<', '>' and '=' mean nothing there, and some programs write them.
    const bool without_order =
        known.name[0] == '|' && !name.empty() && known.name.substr(1) == name.substr(1);
    if (known.name == name || without_order) return known.type;
  }
  return unsupported(str_cat("header at byte 8: values of type '", printable(name),
                             "'; known are <f2, <f4, <f8, |i1 and |u1"));
}

}  // namespace

std::size_t element_bytes(ElementType type) {
  switch (type) {
    case ElementType::kF16:
      return 2;
    case ElementType::kF32:
      return 4;
    case ElementType::kF64:
      return 8;
    case ElementType::kI8:
    case ElementType::kU8:
      return 1;
  }
  return 0;
}

Result<NpyHeader> NpyHeader::parse(ByteView file) try {
  if (!as_text(file).starts_with(kMagic)) {
    return {Code::kInvalid, "header at byte 0: not a .npy file"};
  }
  ByteReader reader(file.subspan(kMagic.size()));
  const auto major = reader.get<std::uint8_t>();
  const auto minor = reader.get<std::uint8_t>();
  if (reader.ok() && (major < 1 || major > 3 || minor != 0)) {
    return unsupported(str_cat("header at byte 6: version ", static_cast<int>(major), ".",
                               static_cast<int>(minor)));
  }
  const std::size_t text_bytes =
      major == 1 ? reader.get<std::uint16_t>() : reader.get<std::uint32_t>();
  const std::size_t begin = kMagic.size() + reader.offset();
  if (reader.ok() && text_bytes > kMaxBytes - begin) {
    return {Code::kInvalid, str_cat("header at byte 8: ", text_bytes, " bytes, over ", kMaxBytes)};
  }
  const ByteView text = reader.get_bytes(text_bytes);
  if (!reader.ok()) return {Code::kInvalid, str_cat("header: ends at byte ", file.size())};
  const Fields fields = KEDGE_TRY(parse_fields(Literal(as_text(text), begin)));
  NpyHeader header;
  header.type = KEDGE_TRY(parse_type(*fields.type));
  if (*fields.fortran) return unsupported("header at byte 8: values in Fortran order");
  if (fields.shape->size() != 2) {
    return unsupported(str_cat("header at byte 8: ", fields.shape->size(), " axes, expected 2"));
  }
  header.rows = (*fields.shape)[0];
  header.dimension = (*fields.shape)[1];
  header.data_offset = begin + text_bytes;
  return header;
} catch (...) {
  return memory_error("header");
}

}  // namespace kedge
