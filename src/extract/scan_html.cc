// HTML by its tokens, without a tree (docs/adr/0003-scanners-instead-of-trees.md): the state is a
// few flags, so that a span can begin at any block or inside one. Left out: script, style,
// template, svg, hidden elements, form fields, and nav and footer where the page has a main or
// article element. Context: words "main" (nav and footer are left out), "pre", "row" (inside a
// table row) and the kind of a block that was begun before ("h1" to "h6", "li").
#include <algorithm>
#include <iterator>

#include "extract/html_tokens.h"
#include "extract/scan.h"

namespace kedge {
namespace {

constexpr std::string_view kSkipped[] = {"audio",    "button",   "canvas", "datalist",
                                         "map",      "noscript", "select", "svg",
                                         "template", "video",    "math",   "object"};

// Elements that end where the next of their kind begins: their end tag is mostly left out.
bool ends_by_itself(std::string_view name) {
  static constexpr std::string_view kNames[] = {"p",  "li", "dt",     "dd",      "td",
                                                "th", "tr", "option", "optgroup"};
  return std::count(std::begin(kNames), std::end(kNames), name) > 0;
}

class HtmlScanner {
 public:
  HtmlScanner(const ScanInput& input, BlockSink& sink) : text_(input.text), sink_(sink) {
    if (input.whole) {
      state_.main = has_main();
    } else {
      read_context(input.context);
    }
    start_context_ = context();
  }

  Status run() {
    while (at_ < text_.size() && !sink_.full()) {
      const HtmlToken token = html_token_at(text_, at_);
      at_ = token.end;
      switch (token.kind) {
        case HtmlToken::Kind::kText:
          if (skip_name_.empty()) put_text(token.begin, token.end);
          break;
        case HtmlToken::Kind::kStart:
          start_tag(token);
          break;
        case HtmlToken::Kind::kEnd:
          end_tag(token);
          break;
        case HtmlToken::Kind::kOther:
          break;
      }
    }
    sink_.end_context = context();
    flush(text_.size());
    return sink_.status();
  }

 private:
  struct State {
    bool main = false;
    bool pre = false;
    bool row = false;
    BlockKind kind = BlockKind::kParagraph;
    std::uint8_t level = 0;
  };

  [[nodiscard]] std::string context() const {
    std::string out;
    const auto word = [&out](std::string_view w) {
      out += out.empty() ? std::string(w) : " " + std::string(w);
    };
    if (state_.main) word("main");
    if (state_.pre) word("pre");
    if (state_.row) word("row");
    if (state_.kind == BlockKind::kListItem) word("li");
    if (state_.kind == BlockKind::kHeading) word("h" + std::to_string(state_.level));
    return out;
  }

  void read_context(std::string_view context) {
    while (!context.empty()) {
      const std::size_t end = std::min(context.find(' '), context.size());
      const std::string_view word = context.substr(0, end);
      context.remove_prefix(std::min(end + 1, context.size()));
      if (word == "main") state_.main = true;
      if (word == "pre") state_.pre = true;
      if (word == "row") state_.row = true;
      if (word == "li") state_.kind = BlockKind::kListItem;
      if (word.size() == 2 && word[0] == 'h' && word[1] >= '1' && word[1] <= '6') {
        state_.kind = BlockKind::kHeading;
        state_.level = static_cast<std::uint8_t>(word[1] - '0');
      }
    }
    if (state_.pre) state_.kind = BlockKind::kCode;
    if (state_.row) state_.kind = BlockKind::kTableRow;
  }

  [[nodiscard]] bool has_main() const {
    for (std::size_t at = 0; at < text_.size();) {
      const HtmlToken token = html_token_at(text_, at);
      at = token.end;
      if (token.kind != HtmlToken::Kind::kStart) continue;
      if (token.name == "main" || token.name == "article") return true;
      if (is_raw_text_element(token.name)) at = raw_text_end(text_, at, token.name);
    }
    return false;
  }

  void start_tag(const HtmlToken& token) {
    if (is_raw_text_element(token.name)) {
      const std::size_t end = raw_text_end(text_, at_, token.name);
      if (token.name == "title" && skip_name_.empty() && sink_.title.empty()) read_title(at_, end);
      at_ = end;
      return;
    }
    if (!skip_name_.empty()) {
      const bool again = token.name == skip_name_;
      if (again && !skip_once_) ++skip_depth_;
      const bool content = token.name == "main" || token.name == "article";
      const bool paragraph_ends = skip_name_ == "p" && is_block_element(token.name);
      if (!(again && skip_once_) && !(content && skip_landmark_) && !paragraph_ends) return;
      skip_name_.clear();
    }
    if (begins_skipping(token)) {
      if (is_block_element(token.name)) begin_block(token, BlockKind::kParagraph);
      return;
    }
    if (token.name == "br" || token.name == "hr") return line_break(token);
    if (is_block_element(token.name)) block_start(token);
  }

  bool begins_skipping(const HtmlToken& token) {
    const bool landmark = state_.main && (token.name == "nav" || token.name == "footer");
    const bool skipped = std::count(std::begin(kSkipped), std::end(kSkipped), token.name) > 0;
    if (!landmark && !skipped && (is_void_element(token.name) || !is_hidden(token.attributes)))
      return false;
    if (token.name == "body" || token.name == "html") return false;
    if (skipped && token.attributes.ends_with('/')) return true;
    skip_name_ = token.name;
    skip_depth_ = 1;
    skip_once_ = ends_by_itself(token.name);
    skip_landmark_ = landmark;
    return true;
  }

  static bool is_hidden(std::string_view attributes) {
    if (attributes.find_first_of("hHsS") == std::string_view::npos) return false;
    std::string value;
    if (html_attribute(attributes, "hidden", &value)) return value != "until-found";
    if (!html_attribute(attributes, "style", &value)) return false;
    value.erase(std::remove_if(value.begin(), value.end(), is_space), value.end());
    std::transform(value.begin(), value.end(), value.begin(), to_lower);
    return value.find("display:none") != std::string::npos;
  }

  void end_tag(const HtmlToken& token) {
    if (!skip_name_.empty()) {
      const bool page_ends = token.name == "body" || token.name == "html";
      if (token.name == skip_name_ && --skip_depth_ > 0) return;
      if (token.name == skip_name_ || page_ends) skip_name_.clear();
      return;
    }
    if (!is_block_element(token.name)) return;
    if (state_.row && (token.name == "td" || token.name == "th")) {
      gap_ = true;
      return;
    }
    if (state_.row && is_flow(token.name)) {
      gap_ = true;
      return;
    }
    if (state_.pre && is_flow(token.name)) return newline(token.begin);
    if (token.name == "pre") state_.pre = false;
    state_.row = false;
    flush(token.end);
    state_.kind = BlockKind::kParagraph;
    has_start_ = false;
  }

  // What may stand in a cell or in preformatted text without ending it.
  static bool is_flow(std::string_view name) {
    return name == "p" || name == "div" || name == "li" || name == "ul" || name == "ol";
  }

  void block_start(const HtmlToken& token) {
    const std::string& name = token.name;
    if (state_.pre && is_flow(name)) return newline(token.begin);
    if (name == "td" || name == "th") {
      if (!state_.row) return begin_row(token);
      cell_ = true;
      return;
    }
    if (state_.row && is_flow(name)) {
      gap_ = true;
      return;
    }
    if (name == "tr") return begin_row(token);
    if (name == "li" || name == "dt" || name == "dd")
      return begin_block(token, BlockKind::kListItem);
    if (name.size() == 2 && name[0] == 'h' && name[1] >= '1' && name[1] <= '6') {
      begin_block(token, BlockKind::kHeading);
      state_.level = static_cast<std::uint8_t>(name[1] - '0');
      return;
    }
    // <li><p>text</p></li> is one item.
    const bool inside_item = state_.kind == BlockKind::kListItem && has_start_ &&
                             !sink_.is_open() && is_flow(name) && name != "li";
    if (inside_item) return;
    begin_block(token, name == "pre" ? BlockKind::kCode : BlockKind::kParagraph);
    if (name != "pre") return;
    state_.pre = true;
    // The line end right behind the tag is not content.
    if (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r'))
      at_ = line_at(text_, at_).next;
  }

  void begin_block(const HtmlToken& token, BlockKind kind) {
    flush(token.begin);
    state_.row = false;
    state_.pre = false;
    state_.kind = BlockKind::kParagraph;
    start_context_ = context();
    state_.kind = kind;
    start_ = token.begin;
    has_start_ = true;
  }

  void begin_row(const HtmlToken& token) {
    begin_block(token, BlockKind::kTableRow);
    state_.row = true;
    cell_ = false;
  }

  void line_break(const HtmlToken& token) {
    const bool in_line = state_.row || state_.kind == BlockKind::kHeading;
    if (token.name == "hr") return begin_block(token, BlockKind::kParagraph);
    if (in_line) {
      gap_ = true;
    } else {
      newline(token.begin);
    }
  }

  void newline(std::size_t at) {
    if (!sink_.is_open()) return;
    const std::string& text = sink_.current().text;
    if (!text.empty() && text.back() != '\n') sink_.put_as("\n", at);
    gap_ = false;
  }

  void put_text(std::size_t begin, std::size_t end) {
    while (begin < end) {
      const char c = text_[begin];
      if (is_space(c)) {
        begin = put_space(begin);
        continue;
      }
      if (text_.substr(begin, 2) == "\xC2\xA0") {
        put_blank(begin);
        begin += 2;
        continue;
      }
      if (c == '&') {
        begin += put_reference(begin);
        continue;
      }
      std::size_t stop = begin + 1;
      while (stop < end && !is_space(text_[stop]) && text_[stop] != '&' && text_[stop] != '\xC2')
        ++stop;
      prepare(begin);
      sink_.put(text_.substr(begin, stop - begin), begin);
      begin = stop;
    }
  }

  std::size_t put_space(std::size_t at) {
    if (!state_.pre) {
      gap_ = true;
      return at + 1;
    }
    const char c = text_[at];
    if (c == '\n' || c == '\r') {
      const std::size_t next = line_at(text_, at).next;
      if (sink_.is_open()) sink_.put_as("\n", at);
      return next;
    }
    prepare(at);
    sink_.put(text_.substr(at, 1), at);
    return at + 1;
  }

  void put_blank(std::size_t at) {
    if (!state_.pre) {
      gap_ = true;
      return;
    }
    prepare(at);
    sink_.put_as(" ", at);
  }

  std::size_t put_reference(std::size_t at) {
    const Reference found = reference_at(text_, at);
    if (found.size == 0) {
      prepare(at);
      sink_.put("&", at);
      return 1;
    }
    const bool blank =
        found.text == "\xC2\xA0" || (found.text.size() == 1 && is_space(found.text[0]));
    if (blank) {
      put_blank(at);
    } else {
      prepare(at);
      sink_.put_as(found.text, at);
    }
    return found.size;
  }

  // Before visible text: opens its block, and puts what divides it from the text before.
  void prepare(std::size_t at) {
    if (!sink_.is_open()) {
      if (!has_start_) start_context_ = context();
      sink_.open(state_.kind, has_start_ ? start_ : at, start_context_, state_.level);
      has_start_ = false;
    }
    const std::string& text = sink_.current().text;
    if (cell_ && !text.empty()) {
      sink_.put_as(" | ", at);
    } else if (gap_ && !text.empty() && text.back() != '\n') {
      sink_.put_as(" ", at);
    }
    cell_ = false;
    gap_ = false;
  }

  void flush(std::size_t end) {
    if (sink_.is_open()) sink_.close(end);
    gap_ = false;
    cell_ = false;
  }

  void read_title(std::size_t begin, std::size_t end) {
    std::string title;
    constexpr std::size_t kMaxTitle = 1024;
    end = std::min(end, begin + kMaxTitle);
    while (begin < end) {
      const Reference found = text_[begin] == '&' ? reference_at(text_, begin) : Reference{};
      if (found.size > 0) {
        title += found.text;
      } else if (!is_space(text_[begin])) {
        title += text_[begin];
      } else if (!title.empty() && title.back() != ' ') {
        title += ' ';
      }
      begin += std::max<std::size_t>(found.size, 1);
    }
    while (!title.empty() && title.back() == ' ') title.pop_back();
    sink_.title = utf8_prefix(title, kMaxTitle - 4);
  }

  std::string_view text_;
  BlockSink& sink_;
  std::size_t at_ = 0;
  State state_;
  std::string skip_name_;  // the element that is left out, empty if none
  std::size_t skip_depth_ = 0;
  bool skip_once_ = false;
  bool skip_landmark_ = false;
  bool has_start_ = false;  // start_ is the tag that the next block begins with
  std::size_t start_ = 0;
  std::string start_context_;
  bool gap_ = false;   // white space before the next character
  bool cell_ = false;  // a cell border before the next character
};

}  // namespace

Status scan_html(const ScanInput& input, BlockSink& sink) { return HtmlScanner(input, sink).run(); }

}  // namespace kedge
