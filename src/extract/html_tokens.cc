#include "extract/html_tokens.h"

#include <algorithm>
#include <iterator>

#include "extract/scan.h"

namespace kedge {
namespace {

// Sorted, for binary search.
constexpr std::string_view kRawText[] = {"iframe", "noembed",  "noframes", "script",
                                         "style",  "textarea", "title",    "xmp"};
constexpr std::string_view kVoid[] = {"area",  "base", "br",   "col",   "embed",  "hr",    "img",
                                      "input", "link", "meta", "param", "source", "track", "wbr"};
constexpr std::string_view kBlock[] = {
    "address", "article", "aside",  "blockquote", "body",   "caption", "center",   "dd",
    "details", "dialog",  "dir",    "div",        "dl",     "dt",      "fieldset", "figcaption",
    "figure",  "footer",  "form",   "frameset",   "h1",     "h2",      "h3",       "h4",
    "h5",      "h6",      "head",   "header",     "hgroup", "hr",      "html",     "legend",
    "li",      "main",    "menu",   "nav",        "object", "ol",      "optgroup", "option",
    "p",       "pre",     "search", "section",    "select", "summary", "table",    "tbody",
    "td",      "tfoot",   "th",     "thead",      "tr",     "ul",      "video"};

template <std::size_t N>
bool contains(const std::string_view (&sorted)[N], std::string_view name) {
  return std::binary_search(std::begin(sorted), std::end(sorted), name);
}

// Behind the '>' of a tag, quoted attribute values skipped; npos if the text ends first.
std::size_t tag_end(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const char c = text[at];
    if (c == '>') return at + 1;
    ++at;
    if (c != '=') continue;
    while (at < text.size() && is_space(text[at])) ++at;
    if (at >= text.size() || (text[at] != '"' && text[at] != '\'')) continue;
    at = text.find(text[at], at + 1);
    if (at == std::string_view::npos) return at;
    ++at;
  }
  return std::string_view::npos;
}

HtmlToken other(std::size_t begin, std::size_t end) {
  HtmlToken token;
  token.kind = HtmlToken::Kind::kOther;
  token.begin = begin;
  token.end = end;
  return token;
}

HtmlToken comment(std::string_view text, std::size_t at) {
  if (text.substr(at, 5) == "<!-->") return other(at, at + 5);
  if (text.substr(at, 6) == "<!--->") return other(at, at + 6);
  for (std::size_t end = text.find("--", at + 4); end != std::string_view::npos;
       end = text.find("--", end + 1)) {
    const std::string_view rest = text.substr(end + 2, 2);
    if (rest.starts_with('>')) return other(at, end + 3);
    if (rest == "!>") return other(at, end + 4);
  }
  return other(at, text.size());
}

HtmlToken tag(std::string_view text, std::size_t begin, bool closing) {
  std::size_t at = begin + (closing ? 2 : 1);
  const std::size_t name = at;
  while (at < text.size() && !is_space(text[at]) && text[at] != '/' && text[at] != '>') ++at;
  const std::size_t end = tag_end(text, at);
  // A tag that the text cuts off is dropped with all that would be in it.
  if (end == std::string_view::npos) return other(begin, text.size());
  HtmlToken token = other(begin, end);
  token.kind = closing ? HtmlToken::Kind::kEnd : HtmlToken::Kind::kStart;
  token.name = text.substr(name, std::min(at - name, kMaxTagName));
  std::transform(token.name.begin(), token.name.end(), token.name.begin(), to_lower);
  if (!closing) token.attributes = text.substr(at, end - 1 - at);
  return token;
}

}  // namespace

HtmlToken html_token_at(std::string_view text, std::size_t at) {
  if (text[at] == '<' && at + 1 < text.size()) {
    const char next = text[at + 1];
    if (is_alpha(next)) return tag(text, at, false);
    if (next == '/' && at + 2 < text.size()) {
      if (is_alpha(text[at + 2])) return tag(text, at, true);
      const std::size_t end = text.find('>', at);
      return other(at, end == std::string_view::npos ? text.size() : end + 1);
    }
    if (text.substr(at, 4) == "<!--") return comment(text, at);
    if (next == '!' || next == '?') {
      const std::size_t end = text.find('>', at);
      return other(at, end == std::string_view::npos ? text.size() : end + 1);
    }
  }
  HtmlToken token;
  token.begin = at;
  token.end = std::min(text.find('<', at + 1), text.size());
  return token;
}

bool html_attribute(std::string_view attributes, std::string_view name, std::string* value) {
  std::size_t at = 0;
  const std::size_t size = attributes.size();
  while (at < size) {
    while (at < size && (is_space(attributes[at]) || attributes[at] == '/')) ++at;
    const std::size_t begin = at;
    while (at < size && !is_space(attributes[at]) && attributes[at] != '/' &&
           (attributes[at] != '=' || at == begin))
      ++at;
    std::string found(attributes.substr(begin, at - begin));
    std::transform(found.begin(), found.end(), found.begin(), to_lower);
    while (at < size && is_space(attributes[at])) ++at;
    std::string_view content;
    if (at < size && attributes[at] == '=') {
      ++at;
      while (at < size && is_space(attributes[at])) ++at;
      const bool quoted = at < size && (attributes[at] == '"' || attributes[at] == '\'');
      const std::size_t first = at + (quoted ? 1 : 0);
      std::size_t last = quoted ? attributes.find(attributes[at], first)
                                : attributes.find_first_of(" \t\r\n\f", first);
      last = std::min(last, size);
      content = attributes.substr(first, last - first);
      at = std::min(last + (quoted ? 1 : 0), size);
    }
    if (!found.empty() && found == name) {
      if (value) *value = content;
      return true;
    }
  }
  return false;
}

bool is_raw_text_element(std::string_view name) { return contains(kRawText, name); }

std::size_t raw_text_end(std::string_view text, std::size_t at, std::string_view name) {
  for (at = text.find("</", at); at != std::string_view::npos; at = text.find("</", at + 2)) {
    const std::string_view rest = text.substr(at + 2, name.size() + 1);
    if (rest.size() <= name.size()) break;
    const bool same = std::equal(name.begin(), name.end(), rest.begin(),
                                 [](char a, char b) { return a == to_lower(b); });
    const char after = rest.back();
    if (same && (is_space(after) || after == '/' || after == '>')) return at;
  }
  return text.size();
}

bool is_void_element(std::string_view name) { return contains(kVoid, name); }
bool is_block_element(std::string_view name) { return contains(kBlock, name); }

}  // namespace kedge
