#include "extract/markdown_inline.h"

#include <algorithm>
#include <array>

namespace kedge {
namespace {

bool is_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

class InlineStripper {
 public:
  InlineStripper(const InlineText& in, BlockSink& sink)
      : text_(in.text), source_(in.source), sink_(sink) {}

  void run() {
    match_brackets();
    while (at_ < text_.size()) {
      if (link_end_ != kNone && at_ == link_end_) {
        at_ = link_skip_;
        link_end_ = kNone;
        continue;
      }
      step();
    }
  }

 private:
  void step() {
    const char c = text_[at_];
    switch (c) {
      case '\\':
        return escape();
      case '`':
        return code_span();
      case '*':
      case '_':
      case '~':
        return emphasis(c);
      case '!':
        return at_ + 1 < text_.size() && text_[at_ + 1] == '[' && link(at_ + 1) ? void() : copy(1);
      case '[':
        return link(at_) ? void() : copy(1);
      case '<':
        return tag();
      case '&':
        return reference();
      default:
        break;
    }
    std::size_t end = at_ + 1;
    while (end < text_.size() && end != link_end_ && !special(text_[end])) ++end;
    copy(end - at_);
  }

  static bool special(char c) {
    return c == '\\' || c == '`' || c == '*' || c == '_' || c == '~' || c == '!' || c == '[' ||
           c == '<' || c == '&';
  }

  // Runs whose source is contiguous are put at once.
  void copy(std::size_t size) {
    const std::size_t end = at_ + size;
    while (at_ < end) {
      std::size_t stop = at_ + 1;
      while (stop < end && source_[stop] == source_[at_] + (stop - at_)) ++stop;
      sink_.put(text_.substr(at_, stop - at_), source_[at_]);
      at_ = stop;
    }
  }

  void escape() {
    const bool escapes = at_ + 1 < text_.size() && is_punctuation(text_[at_ + 1]);
    if (!escapes) return copy(1);
    sink_.put_as(text_.substr(at_ + 1, 1), source_[at_]);
    at_ += 2;
  }

  std::size_t run_length(std::size_t at) const {
    std::size_t end = at;
    while (end < text_.size() && text_[end] == text_[at]) ++end;
    return end - at;
  }

  // A run of backticks opens code if an equal run follows. Once a length was looked for in vain it
  // stays so, which keeps the search linear for the lengths that are remembered; longer runs never
  // open code.
  void code_span() {
    const std::size_t run = run_length(at_);
    if (run >= no_closing_run_.size() || no_closing_run_[run]) return copy(run);
    for (std::size_t at = text_.find('`', at_ + run); at != std::string_view::npos;
         at = text_.find('`', at)) {
      const std::size_t other = run_length(at);
      if (other == run) {
        if (link_end_ != kNone && link_end_ < at + run) link_end_ = kNone;
        at_ += run;
        copy(at - at_);
        at_ += run;
        return;
      }
      at += other;
    }
    no_closing_run_[run] = true;
    copy(run);
  }

  // Decided by the neighbours alone, so that a piece of a block strips as the whole does: a run
  // beside white space on both sides or inside a word is text, any other is markup.
  void emphasis(char c) {
    const std::size_t run = run_length(at_);
    const auto blank = [this](std::size_t at) { return at >= text_.size() || is_space(text_[at]); };
    const auto word = [this](std::size_t at) {
      return at < text_.size() &&
             (is_alnum(text_[at]) || static_cast<unsigned char>(text_[at]) >= 0x80);
    };
    const std::size_t before = at_ == 0 ? kNone : at_ - 1;
    const std::size_t after = at_ + run;
    const bool text = (blank(before) && blank(after)) || (word(before) && word(after)) || run > 3 ||
                      (c == '~' && run != 2);
    if (text) return copy(run);
    at_ += run;
  }

  // <tag ...>, </tag> and <!-- --> vanish; <https://...> is its address.
  void tag() {
    const std::size_t end = text_.find_first_of("<>", at_ + 1);
    const bool closed = end != std::string_view::npos && text_[end] == '>';
    if (!closed || end == at_ + 1) return copy(1);
    const char first = text_[at_ + 1];
    if (!is_alpha(first) && first != '/' && first != '!') return copy(1);
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    const std::size_t colon = inside.find_first_of(":@ \n");
    const bool address = colon != std::string_view::npos &&
                         (inside[colon] == ':' || inside[colon] == '@') &&
                         inside.find_first_of(" \n") == std::string_view::npos;
    if (link_end_ != kNone && link_end_ <= end) link_end_ = kNone;
    if (address) {
      ++at_;
      copy(end - at_);
    }
    at_ = end + 1;
  }

  void reference() {
    const Reference found = reference_at(text_, at_);
    if (found.size == 0) return copy(1);
    sink_.put_as(found.text, source_[at_]);
    at_ += found.size;
  }

  // The closing bracket of each opening one, in one pass.
  void match_brackets() {
    if (text_.find("](") == std::string_view::npos && text_.find("][") == std::string_view::npos)
      return;
    closing_.assign(text_.size(), kNone);
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < text_.size(); ++i) {
      if (text_[i] == '\\') {
        ++i;
      } else if (text_[i] == '[') {
        open.push_back(i);
      } else if (text_[i] == ']' && !open.empty()) {
        closing_[open.back()] = i;
        open.pop_back();
      }
    }
  }

  // The end of "(url)" or "[label]" that begins at `at`, kNone if there is none. Searches go
  // forward only.
  std::size_t target_end(std::size_t at) {
    if (at >= text_.size()) return kNone;
    if (text_[at] == '[') return closing_[at] == kNone ? kNone : closing_[at] + 1;
    if (text_[at] != '(') return kNone;
    if (next_parenthesis_ == kNone || next_parenthesis_ < at) {
      next_parenthesis_ = std::min(text_.find(')', at), text_.size());
    }
    if (next_parenthesis_ == text_.size()) return kNone;
    // One level of parentheses inside an address, as in "Kedge_(anchor)".
    std::size_t end = next_parenthesis_;
    const std::string_view inside = text_.substr(at + 1, std::min<std::size_t>(end - at - 1, 2000));
    const bool nested = inside.find('(') != std::string_view::npos && end + 1 < text_.size() &&
                        text_[end + 1] == ')';
    return end + (nested ? 2 : 1);
  }

  // [text](url) and [text][label] leave their text. False if the bracket at `at` opens no link.
  bool link(std::size_t at) {
    if (closing_.empty() || closing_[at] == kNone || link_end_ != kNone) {
      return link_end_ != kNone && nested_image(at);
    }
    const std::size_t skip = target_end(closing_[at] + 1);
    if (skip == kNone) return false;
    link_end_ = closing_[at];
    link_skip_ = skip;
    at_ = at + 1;
    return true;
  }

  // [![alt](image)](url): an image inside a link leaves its alternative text at once.
  bool nested_image(std::size_t at) {
    if (at == 0 || text_[at - 1] != '!' || at_ != at - 1 || closing_[at] == kNone) return false;
    const std::size_t skip = target_end(closing_[at] + 1);
    if (skip == kNone || skip > link_end_) return false;
    at_ = at + 1;
    copy(closing_[at] - at_);
    at_ = skip;
    return true;
  }

  std::string_view text_;
  const std::vector<std::uint32_t>& source_;
  BlockSink& sink_;
  std::size_t at_ = 0;
  std::vector<std::size_t> closing_;
  std::size_t link_end_ = kNone;   // the bracket that ends the text of the open link
  std::size_t link_skip_ = kNone;  // where the text after that link goes on
  std::size_t next_parenthesis_ = kNone;
  std::array<bool, 16> no_closing_run_{};
};

}  // namespace

void put_inline(const InlineText& in, BlockSink& sink) { InlineStripper(in, sink).run(); }

}  // namespace kedge
