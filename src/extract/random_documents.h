// Seeded documents of each format for tests: odd markup, white space, quotes and scripts, but well
// formed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/strings.h"
#include "extract/extractor.h"

namespace kedge {

class DocumentWriter {
 public:
  // `latin`: only characters of windows-1252.
  DocumentWriter(std::uint64_t seed, bool latin) : random_(seed), latin_(latin) {}

  // A document of `items` paragraphs, rows, records or entries.
  std::string write(std::string_view media_type, std::size_t items) {
    std::string out;
    if (media_type == kTypeHtml)
      out += "<!DOCTYPE html><title>A page</title><nav><p>menu</nav><main>";
    if (media_type == kTypeCsv) out += "id,\"the name\",note\n";
    if (media_type == kTypeJson) out += "{\"list\": [";
    for (std::size_t i = 0; i < items; ++i) out += item(media_type, i);
    if (media_type == kTypeJson) out += "{}], \"total\": " + std::to_string(items) + "}";
    return out;
  }

  std::string item(std::string_view media_type, std::size_t number) {
    if (media_type == kTypeMarkdown) return markdown();
    if (media_type == kTypeHtml) return html();
    if (media_type == kTypeCsv) return csv(number);
    if (media_type == kTypeJson) return object() + (chance(3) ? ",\n" : ", ");
    if (media_type == kTypeJsonLines)
      return chance(20) ? "not json " + sentence() + "\n" : object() + "\n";
    if (media_type == kTypeLog) return log(number);
    return paragraph() + (chance(4) ? "\n\n\n" : "\n\n");
  }

  std::string word() {
    static constexpr std::string_view kWords[] = {"anchor",
                                                  "chain",
                                                  "the",
                                                  "of",
                                                  "a",
                                                  "keel",
                                                  "Hafen",
                                                  "port",
                                                  "invoice",
                                                  "42",
                                                  "3.14",
                                                  "tide",
                                                  "rope",
                                                  "warp",
                                                  "x86_64",
                                                  "don't",
                                                  "e-mail",
                                                  "r\xC3\xA9sum\xC3\xA9",
                                                  "\xC3\x9C"
                                                  "ber",
                                                  "\xE2\x82\xAC"
                                                  "5"};
    static constexpr std::string_view kWide[] = {"\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E",
                                                 "\xF0\x9F\x9A\xA2",
                                                 "\xD0\xBC\xD0\xBE\xD1\x80\xD0\xB5"};
    if (!latin_ && chance(12)) return std::string(kWide[random_.below(3)]);
    if (chance(3)) return std::string(kWords[random_.below(std::size(kWords))]);
    std::string made;
    for (std::uint64_t i = 2 + random_.below(7); i > 0; --i)
      made += static_cast<char>('a' + random_.below(26));
    return made;
  }

  std::string sentence() {
    std::string out = word();
    for (std::uint64_t i = 3 + random_.below(12); i > 0; --i)
      out += (chance(15) ? "  " : " ") + word();
    return out + ".";
  }

  std::string paragraph() {
    std::string out = sentence();
    for (std::uint64_t i = random_.below(6); i > 0; --i)
      out += (chance(4) ? "\n" : " ") + sentence();
    return out;
  }

 private:
  bool chance(std::uint64_t one_in) { return random_.below(one_in) == 0; }

  std::string markdown() {
    switch (random_.below(9)) {
      case 0:
        return std::string(1 + random_.below(4), '#') + " " + sentence() + "\n\n";
      case 1:
        return "- " + sentence() + "\n  " + word() + "\n- **" + word() + "** " + word() + "\n1. " +
               word() + "\n\n";
      case 2:
        return "```cpp\n# no heading\n\n" + sentence() + "\n- no item\n```\n";
      case 3:
        return "| a | b |\n|---|:-:|\n| " + word() + " | `" + word() + "` |\n| x \\| y | |\n\n";
      case 4:
        return sentence() + "\n" + (chance(2) ? "===\n" : "---\n");
      case 5:
        return "> " + sentence() + "\n> " + sentence() + "\n\n";
      case 6:
        return "See [" + word() + "](http://x.example/" + word() + ") &amp; _" + word() + "_ <b>" +
               word() + "</b>\n\n";
      case 7:
        return "    indented " + word() + "\n\n";
      default:
        return paragraph() + "\n\n";
    }
  }

  std::string html() {
    switch (random_.below(9)) {
      case 0:
        return "<h" + std::to_string(1 + random_.below(6)) + " class='x'>" + sentence() + "</h1>\n";
      case 1:
        return "<ul><li>" + sentence() + "<li><p>" + word() + "</p></ul>";
      case 2:
        return "<pre class=code>\n  " + sentence() + "\n\n    " + word() + " &lt;T&gt;</pre>";
      case 3:
        return "<table><tr><th>a<th>" + word() + "</tr><tr><td>" + sentence() + "</td><td><p>" +
               word() + "</table>";
      case 4:
        return "<script>if (a < b) '<p>';</script><div hidden>secret<div>x</div></div>";
      case 5:
        return "<p>" + sentence() + "<br>" + sentence() + " <b>" + word() + "</b><i>" + word() +
               "</i>";
      case 6:
        return "text &eacute;&amp;&#8364;&nbsp; without <a href=\"a>b\">" + word() +
               "</a> paragraph<!-- no -->";
      case 7:
        return "<blockquote>" + paragraph() + "</blockquote>";
      default:
        return "<div><p>" + paragraph() + "</p></div>\n";
    }
  }

  std::string csv(std::size_t number) {
    std::string value =
        chance(3) ? "\"" + word() + ", \"\"" + word() + "\"\"\n" + sentence() + "\"" : word();
    return std::to_string(number) + "," + value + "," + (chance(5) ? "" : sentence()) + "\r\n";
  }

  std::string object() {
    std::string out = "{\"id\": " + std::to_string(random_.below(100000)) + ", \"text\": \"" +
                      sentence() + "\\n\\u00e9\\\"" + word() + "\"";
    if (chance(3))
      out += ", \"tags\": [\"" + word() + "\", " + std::to_string(random_.below(9)) + ", true]";
    if (chance(3)) out += ", \"in\": {\"a\": [{\"b\": \"" + word() + "\"}, []], \"n\": null}";
    return out + "}";
  }

  std::string log(std::size_t number) {
    std::string out =
        str_cat("2024-05-01 12:00:", number, " INFO [", word(), "] ", sentence(), "\n");
    if (chance(6)) out += "\tat " + word() + "(" + word() + ".java:1)\nCaused by: " + word() + "\n";
    return out;
  }

  SeededRandom random_;
  bool latin_;
};

inline constexpr std::string_view kRandomTypes[] = {kTypeText, kTypeMarkdown,  kTypeHtml, kTypeCsv,
                                                    kTypeJson, kTypeJsonLines, kTypeLog};

// UTF-8 text in another charset: UTF-16LE, UTF-16BE, or windows-1252 for the characters that
// DocumentWriter uses.
inline std::string encode_as(std::string_view text, std::string_view charset) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    std::uint32_t c = size == 1 ? lead : lead & (0x7FU >> size);
    for (std::size_t i = 1; i < size; ++i)
      c = c << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
    at += size;
    if (charset == "windows-1252") {
      out += static_cast<char>(c == 0x20AC ? 0x80 : c);
      continue;
    }
    const auto unit = [&](std::uint32_t u) {
      const char low = static_cast<char>(u & 0xFF);
      const char high = static_cast<char>(u >> 8);
      out += charset == "UTF-16LE" ? low : high;
      out += charset == "UTF-16LE" ? high : low;
    };
    if (c >= 0x10000) {
      unit(0xD800 + ((c - 0x10000) >> 10));
      unit(0xDC00 + ((c - 0x10000) & 0x3FF));
    } else {
      unit(c);
    }
  }
  return out;
}

}  // namespace kedge
