#include "extract/json_scanner.h"

#include <algorithm>

#include "base/strings.h"
#include "extract/decoded.h"

namespace kedge {
namespace {

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char l = to_lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

enum class Expect { kValue, kKeyOrEnd, kKey, kColon, kCommaOrEnd, kValueOrEnd, kNothing };

class JsonScanner {
 public:
  JsonScanner(std::string_view text, std::size_t begin, std::size_t end, const JsonOptions& options,
              JsonState& state, BlockSink& sink)
      : text_(text.substr(0, end)),
        at_(begin),
        options_(options),
        state_(state),
        sink_(sink),
        offset_(begin) {}

  Status run() {
    begin();
    if (state_.in_string) KEDGE_TRY(continue_string());
    while (!sink_.full()) {
      while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' ||
                                    text_[at_] == '\r')) {
        ++at_;
      }
      if (at_ >= text_.size()) break;
      KEDGE_TRY(step());
    }
    if (!options_.fragment && expect_ != Expect::kNothing) return error("ends inside a value");
    close_block(last_end_);
    return sink_.status();
  }

 private:
  Error error(std::string_view what) const {
    return {Code::kInvalid, str_cat("json ", what, " at offset ", at_)};
  }

  // A fragment begins before an element, perhaps with the comma before it; else before the root
  // value.
  void begin() {
    // Chunks begin where blocks do, so that the context of a block is the state in front of it.
    for (std::size_t i = 0; i < state_.levels.size(); ++i) {
      const bool record = !state_.levels[i].array && i > 0 && state_.levels[i - 1].array;
      if (record && record_level_ == kNone) record_level_ = i;
    }
    if (!state_.levels.empty()) {
      expect_ = state_.levels.back().array ? Expect::kValueOrEnd : Expect::kKeyOrEnd;
      comma_allowed_ = true;
      if (options_.record_root) record_level_ = 0;
      if (record_level_ != kNone) open_block(BlockKind::kRecord, at_);
    } else if (state_.in_string) {
      expect_ = Expect::kNothing;
    }
  }

  Status step() {
    const char c = text_[at_];
    if (comma_allowed_ && c == ',') {
      comma_allowed_ = false;
      ++at_;
      return {};
    }
    comma_allowed_ = false;
    switch (expect_) {
      case Expect::kNothing:
        return error("goes on behind the value");
      case Expect::kColon:
        if (c != ':') return error("has no ':' behind a key");
        ++at_;
        expect_ = Expect::kValue;
        return {};
      case Expect::kCommaOrEnd:
        if (c == ',') {
          ++at_;
          expect_ = state_.levels.back().array ? Expect::kValue : Expect::kKey;
          return {};
        }
        return close_container(c);
      case Expect::kKeyOrEnd:
        if (c == '}') return close_container(c);
        return key();
      case Expect::kKey:
        return key();
      case Expect::kValueOrEnd:
        if (c == ']') return close_container(c);
        return value();
      case Expect::kValue:
        return value();
    }
    return {};
  }

  Status close_container(char c) {
    if (c != (state_.levels.back().array ? ']' : '}'))
      return error("has no ',' or closing bracket");
    ++at_;
    last_end_ = in_record() || sink_.is_open() ? at_ : last_end_;
    if (!in_record()) close_block(group_end_);
    state_.levels.pop_back();
    in_group_ = false;
    if (record_level_ != kNone && state_.levels.size() <= record_level_) {
      record_level_ = kNone;
      close_block(at_);
    }
    after_value();
    return {};
  }

  void after_value() { expect_ = state_.levels.empty() ? Expect::kNothing : Expect::kCommaOrEnd; }

  Status key() {
    if (text_[at_] != '"') return error("has no key");
    item_begin_ = at_;
    std::string name;
    KEDGE_TRY(string([&name](std::string_view piece, std::size_t, bool) {
      if (name.size() < kMaxShownName * 2) name += piece;
    }));
    for (char& c : name) {
      if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    }
    state_.levels.back().key = utf8_prefix(name, kMaxShownName);
    in_group_ = false;
    expect_ = Expect::kColon;
    return {};
  }

  Status value() {
    const bool member = !state_.levels.empty() && !state_.levels.back().array;
    if (!member) item_begin_ = at_;
    const char c = text_[at_];
    if (c == '{' || c == '[') return open_container(c == '[');
    if (c == '"') return string_value();
    return literal();
  }

  Status open_container(bool array) {
    if (state_.levels.size() >= kMaxJsonDepth) {
      return {Code::kExhausted,
              str_cat("json nests deeper than ", kMaxJsonDepth, " levels at offset ", at_)};
    }
    const bool element = !state_.levels.empty() && state_.levels.back().array;
    const bool record = (!array && element) || (options_.record_root && state_.levels.empty());
    if (!in_record()) close_block(group_end_);
    if (record && !in_record()) {
      open_block(BlockKind::kRecord, at_);
      record_level_ = state_.levels.size();
    }
    in_group_ = false;
    state_.levels.push_back({array, ""});
    ++at_;
    expect_ = array ? Expect::kValueOrEnd : Expect::kKeyOrEnd;
    return {};
  }

  Status literal() {
    const std::size_t begin = at_;
    std::size_t end = at_;
    while (end < text_.size() &&
           (is_alnum(text_[end]) || text_[end] == '-' || text_[end] == '+' || text_[end] == '.'))
      ++end;
    const std::string_view word = text_.substr(begin, end - begin);
    const bool cut = options_.fragment && end == text_.size();
    if (word != "true" && word != "false" && word != "null" && !is_number(word) && !cut)
      return error("has no value");
    if (word.empty()) return error("has no value");
    if (word != "null") {
      start_item();
      // With the place of its name: a span cannot begin between the two.
      sink_.put_as(word, item_begin_);
    }
    at_ = end;
    finish_item();
    return {};
  }

  static bool is_number(std::string_view word) {
    std::size_t at = word.starts_with('-') ? 1 : 0;
    const auto digits = [&] {
      const std::size_t begin = at;
      while (at < word.size() && is_digit(word[at])) ++at;
      return at - begin;
    };
    const bool zero = at < word.size() && word[at] == '0';
    const std::size_t whole = digits();
    if (whole == 0 || (zero && whole > 1) || word.size() > kMaxJsonNumber) return false;
    if (at < word.size() && word[at] == '.') {
      ++at;
      if (digits() == 0) return false;
    }
    if (at < word.size() && to_lower(word[at]) == 'e') {
      ++at;
      if (at < word.size() && (word[at] == '+' || word[at] == '-')) ++at;
      if (digits() == 0) return false;
    }
    return at == word.size();
  }

  Status string_value() {
    if (opaque()) {
      at_ = text_.find('"', at_ + 1) + 1;
      finish_item();
      return {};
    }
    bool started = false;
    KEDGE_TRY(string([&](std::string_view piece, std::size_t place, bool verbatim) {
      if (!started) start_item();
      started = true;
      if (verbatim) {
        sink_.put(piece, place);
      } else {
        sink_.put_as(piece, place);
      }
    }));
    finish_item();
    return {};
  }

  // A closed string of one long word. Backslashes count as part of it: notebooks wrap base64 with
  // \n.
  [[nodiscard]] bool opaque() const {
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] > ' ' && text_[end] <= '~' && text_[end] != '"') ++end;
    return end < text_.size() && text_[end] == '"' && text_[end - 1] != '\\' &&
           end - at_ > kMinOpaqueString;
  }

  // A fragment begins inside a value: the rest of it, without its name.
  Status continue_string() {
    state_.in_string = false;
    in_value_string_ = true;
    if (!sink_.is_open()) open_block(BlockKind::kField, at_);
    KEDGE_TRY(string_content([&](std::string_view piece, std::size_t place, bool verbatim) {
      if (verbatim) {
        sink_.put(piece, place);
      } else {
        sink_.put_as(piece, place);
      }
    }));
    comma_allowed_ = false;
    if (state_.in_string) return {};
    in_group_ = !state_.levels.empty() && state_.levels.back().array;
    item_begin_ = offset_;
    finish_item();
    return {};
  }

  template <typename Put>
  Status string(const Put& put) {
    in_value_string_ = expect_ == Expect::kValue || expect_ == Expect::kValueOrEnd;
    ++at_;
    return string_content(put);
  }

  // Up to and with the closing quote.
  template <typename Put>
  Status string_content(const Put& put) {
    while (at_ < text_.size()) {
      std::size_t stop = at_;
      while (stop < text_.size() && text_[stop] != '"' && text_[stop] != '\\' &&
             static_cast<unsigned char>(text_[stop]) >= 0x20) {
        ++stop;
      }
      if (stop > at_) put(text_.substr(at_, stop - at_), at_, true);
      at_ = stop;
      if (stop >= text_.size()) break;
      if (text_[stop] == '"') {
        ++at_;
        return {};
      }
      if (text_[stop] != '\\') return error("has a control character in a string");
      if (!escape(put)) {
        if (options_.fragment && text_.size() - at_ < 12) break;
        return error("has a broken escape");
      }
    }
    if (!options_.fragment) return error("ends inside a string");
    at_ = text_.size();
    last_end_ = at_;
    state_.in_string = in_value_string_;
    return {};
  }

  template <typename Put>
  bool escape(const Put& put) {
    if (at_ + 1 >= text_.size()) return false;
    static constexpr std::string_view kNames = "\"\\/bfnrt";
    static constexpr std::string_view kValues = "\"\\/ \n\n\n\t";
    const std::size_t simple = kNames.find(text_[at_ + 1]);
    if (simple != std::string_view::npos) {
      put(kValues.substr(simple, 1), at_, false);
      at_ += 2;
      return true;
    }
    std::int32_t unit = 0;
    if (!hex_escape(at_, unit)) return false;
    std::size_t size = 6;
    std::int32_t low = 0;
    if (unit >= 0xD800 && unit < 0xDC00 && hex_escape(at_ + 6, low) && low >= 0xDC00 &&
        low < 0xE000) {
      unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
      size = 12;
    }
    std::string character;
    append_utf8(character, unit);
    put(character, at_, false);
    at_ += size;
    return true;
  }

  bool hex_escape(std::size_t at, std::int32_t& unit) const {
    if (at + 6 > text_.size() || text_[at] != '\\' || text_[at + 1] != 'u') return false;
    unit = 0;
    for (std::size_t i = at + 2; i < at + 6; ++i) {
      const int digit = hex_value(text_[i]);
      if (digit < 0) return false;
      unit = unit * 16 + digit;
    }
    return true;
  }

  [[nodiscard]] bool in_record() const { return record_level_ != kNone; }

  void open_block(BlockKind kind, std::size_t at) {
    sink_.open(kind, at, state_.encode(), 0, options_.row);
  }

  void close_block(std::size_t end) {
    if (sink_.is_open()) sink_.close(end);
  }

  // Before the text of a scalar: its block, and its name or what divides it from the one before.
  void start_item() {
    const bool array = !state_.levels.empty() && state_.levels.back().array;
    if (!sink_.is_open())
      open_block(in_record() || options_.record_root ? BlockKind::kRecord : BlockKind::kField,
                 item_begin_);
    if (array && in_group_) {
      if (!sink_.current().text.empty()) sink_.put_as(", ", item_begin_);
      return;
    }
    if (!sink_.current().text.empty()) sink_.put_as("\n", item_begin_);
    const std::string path = shown_path();
    if (!path.empty()) sink_.put_as(path + ": ", item_begin_);
    in_group_ = array;
  }

  void finish_item() {
    last_end_ = at_;
    group_end_ = at_;
    if (state_.in_string) return;
    const bool group = !state_.levels.empty() && state_.levels.back().array;
    if (!in_record() && !group) close_block(at_);
    after_value();
  }

  // The keys below the record, or from the root where there is none; the innermost ones that fit.
  [[nodiscard]] std::string shown_path() const {
    std::string path;
    const std::size_t first = record_level_ == kNone ? 0 : record_level_;
    for (std::size_t i = state_.levels.size(); i-- > first;) {
      const JsonLevel& level = state_.levels[i];
      if (level.array || level.key.empty()) continue;
      if (!path.empty() && path.size() + level.key.size() + 1 > kMaxShownName) break;
      path = path.empty() ? level.key : level.key + "." + path;
    }
    return path;
  }

  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  std::string_view text_;
  std::size_t at_;
  const JsonOptions& options_;
  JsonState& state_;
  BlockSink& sink_;
  std::size_t offset_;
  Expect expect_ = Expect::kValue;
  bool comma_allowed_ = false;
  bool in_value_string_ = false;
  bool in_group_ = false;             // the scalar before was an element of the same array
  std::size_t record_level_ = kNone;  // of the object that is the open record
  std::size_t item_begin_ = 0;        // of the member or element being read
  std::size_t last_end_ = 0;
  std::size_t group_end_ = 0;
};

}  // namespace

std::string JsonState::encode() const {
  std::string out;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    out += levels[i].array ? '[' : '{';
    if (levels[i].array || i + 1 == levels.size() || levels[i].key.empty()) continue;
    out += '"';
    for (const char c : levels[i].key) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  if (in_string) out += '~';
  return out;
}

Result<JsonState> JsonState::parse(std::string_view text) {
  JsonState state;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const bool key = c == '"' && !state.levels.empty() && !state.levels.back().array;
    if ((c == '[' || c == '{') && state.levels.size() < kMaxJsonDepth) {
      state.levels.push_back({c == '[', ""});
    } else if (c == '~' && at + 1 == text.size()) {
      state.in_string = true;
    } else if (key) {
      std::string& name = state.levels.back().key;
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        name += text[at];
      }
    } else {
      return {Code::kInvalid, str_cat("json context breaks at offset ", at)};
    }
  }
  return state;
}

Status scan_json_value(std::string_view text, std::size_t begin, std::size_t end,
                       const JsonOptions& options, JsonState& state, BlockSink& sink) {
  return JsonScanner(text, begin, end, options, state, sink).run();
}

}  // namespace kedge
