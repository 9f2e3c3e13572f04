// The central rule of extraction: the bytes of a block or of a run of blocks, with their charset
// and context alone, give the text that the whole object gave.
#include <gtest/gtest.h>

#include "extract/charset.h"
#include "extract/extractor.h"
#include "extract/random_documents.h"

namespace kedge {
namespace {

std::string joined(const Extraction& extraction, std::size_t first, std::size_t last) {
  std::string text = extraction.blocks[first].text;
  for (std::size_t i = first + 1; i <= last; ++i) {
    text += separator(extraction.blocks[i - 1].kind, extraction.blocks[i].kind);
    text += extraction.blocks[i].text;
  }
  return text;
}

void check_spans(const std::string& raw, const Extraction& extraction, SeededRandom& random,
                 const std::string& where) {
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < extraction.blocks.size(); ++i) {
    const Block& block = extraction.blocks[i];
    ASSERT_GE(block.begin, end) << where << ", block " << i;
    ASSERT_GT(block.end, block.begin) << where << ", block " << i;
    end = block.end;
    const std::size_t last =
        std::min<std::size_t>(i + random.below(9), extraction.blocks.size() - 1);
    const SpanContext context{extraction.media_type, extraction.charset,
                              extraction.contexts[extraction.context_of_block[i]]};
    for (const std::size_t to : {i, last}) {
      const std::uint64_t size = extraction.blocks[to].end - block.begin;
      const auto span = extract_span(as_bytes(raw).subspan(block.begin, size), context);
      ASSERT_TRUE(span.ok()) << where << ", blocks " << i << " to " << to << ": "
                             << span.error().message;
      ASSERT_EQ(*span, joined(extraction, i, to))
          << where << ", blocks " << i << " to " << to << ", context '" << context.context
          << "', raw: " << raw.substr(block.begin, size);
    }
  }
  ASSERT_LE(end, raw.size()) << where;
}

TEST(Span, GivesTheTextOfTheWholeInEachFormatAndCharset) {
  for (const std::string_view type : kRandomTypes) {
    for (const std::string_view charset : {"UTF-8", "UTF-16LE", "UTF-16BE", "windows-1252"}) {
      for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        const std::string where = str_cat(type, ", ", charset, ", seed ", seed);
        const std::string text = DocumentWriter(seed, charset == "windows-1252").write(type, 40);
        const std::string raw = charset == "UTF-8" ? text : encode_as(text, charset);
        const auto extraction = extract(as_bytes(raw), {.key = "", .media_type = type});
        ASSERT_TRUE(extraction.ok()) << where << ": " << extraction.error().message;
        // Other windows charsets agree with 1252 on the characters used here.
        EXPECT_EQ(extraction->charset.substr(0, 6), charset.substr(0, 6)) << where;
        EXPECT_EQ(extraction->media_type, type) << where;
        EXPECT_GE(extraction->blocks.size(), 20U) << where;
        SeededRandom random(seed);
        check_spans(raw, *extraction, random, where);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

// The same text in another charset gives the same blocks: only the byte ranges differ.
TEST(Span, BlocksDoNotDependOnTheCharset) {
  for (const std::string_view type : kRandomTypes) {
    const std::string text = DocumentWriter(99, true).write(type, 60);
    const auto plain = extract(as_bytes(text), {.key = "", .media_type = type});
    ASSERT_TRUE(plain.ok()) << type;
    for (const std::string_view charset : {"UTF-16LE", "UTF-16BE", "windows-1252"}) {
      const std::string raw = encode_as(text, charset);
      const auto other = extract(as_bytes(raw), {.key = "", .media_type = type});
      ASSERT_TRUE(other.ok()) << type << ", " << charset;
      ASSERT_EQ(other->blocks.size(), plain->blocks.size()) << type << ", " << charset;
      for (std::size_t i = 0; i < plain->blocks.size(); ++i) {
        EXPECT_EQ(other->blocks[i].text, plain->blocks[i].text)
            << type << ", " << charset << ", block " << i;
        EXPECT_EQ(other->blocks[i].line_first, plain->blocks[i].line_first)
            << type << ", " << charset << ", block " << i;
        EXPECT_EQ(other->blocks[i].row, plain->blocks[i].row)
            << type << ", " << charset << ", block " << i;
      }
    }
  }
}

// Each safe cut of a block leaves two spans whose texts together are the block's.
TEST(Span, CutsAnywhereSafeLoseNothing) {
  for (const std::string_view type : {kTypeText, kTypeCsv, kTypeJson, kTypeJsonLines, kTypeLog}) {
    const std::string raw = DocumentWriter(5, false).write(type, 12);
    const auto extraction = extract(as_bytes(raw), {.key = "", .media_type = type});
    ASSERT_TRUE(extraction.ok()) << type;
    for (std::size_t i = 0; i < extraction->blocks.size(); ++i) {
      const Block& block = extraction->blocks[i];
      const SpanContext context{extraction->media_type, extraction->charset,
                                extraction->contexts[extraction->context_of_block[i]]};
      const ByteView bytes = as_bytes(raw).subspan(block.begin, block.end - block.begin);
      const auto mapped = map_span(bytes, context);
      ASSERT_TRUE(mapped.ok()) << type;
      ASSERT_EQ(mapped->text, block.text) << type << ", block " << i;
      ASSERT_EQ(mapped->offsets.size(), mapped->text.size()) << type << ", block " << i;
      for (std::size_t at = 1; at < mapped->text.size(); ++at) {
        const bool character = (static_cast<unsigned char>(mapped->text[at]) & 0xC0) != 0x80;
        if (!character || mapped->offsets[at] <= mapped->offsets[at - 1]) continue;
        const std::size_t cut = mapped->offsets[at];
        const auto before = extract_span(bytes.first(cut), context);
        const auto rest_context = context_after(bytes.first(cut), context);
        ASSERT_TRUE(before.ok() && rest_context.ok())
            << type << ", block " << i << ", cut at " << cut;
        const auto after =
            extract_span(bytes.subspan(cut), {context.media_type, context.charset, *rest_context});
        ASSERT_TRUE(after.ok()) << type << ", block " << i << ", cut at " << cut << ": "
                                << after.error().message;
        // What divides values, and their names, may stay on neither side.
        const auto letters = [](std::string_view text) {
          return std::count_if(text.begin(), text.end(), [](char c) {
            return c != ' ' && c != '\n' && c != '\t' && c != ';' && c != ',';
          });
        };
        const auto lost = letters(block.text) - letters(*before) - letters(*after);
        EXPECT_LE(std::abs(lost), type == kTypeText || type == kTypeLog ? 0 : 10)
            << type << ", block " << i << ", cut at " << cut << ", context '" << *rest_context
            << "'\n"
            << block.text << "\n---\n"
            << *before << "\n---\n"
            << *after;
      }
    }
  }
}

// Found by the fuzzers: the bytes of a block gave another text than the whole had, or one that is
// not UTF-8.
TEST(Span, HoldsWhereTheLineBehindABlockOrALimitDecides) {
  const std::string broken_end = "\xB8\xDB\xBF\xDA\xB5\xC4\xB4\xAC\xD4\xDA\xCF\xC2\xCE\xE7\xA1";
  std::string wide_names = "nm";
  for (int i = 0; i < 40; ++i) wide_names += "\xE2\x82\xAC";
  const struct {
    std::string_view what;
    std::string_view type;
    std::string raw;
    std::size_t blocks;
  } cases[] = {
      {"a table whose header begins with no bar", kTypeMarkdown, "a | b\n--|--\n1 | 2\n\nc\n", 3},
      {"the same below a paragraph", kTypeMarkdown, "text\n\na |\n|--|\n| 1 |\n", 3},
      {"an indented heading below a paragraph", kTypeMarkdown, "text\n    # head\n\nc\n", 3},
      {"an indented row below a paragraph", kTypeMarkdown, "text\n\t| a | *b* |\n\nc\n", 3},
      {"an indented header below a paragraph", kTypeMarkdown, "text\n\ta | b\n--|--\n", 2},
      {"a definition below a quote", kTypeMarkdown, "> quote\n[1]: http://a\n\nc\n", 2},
      {"an indented line below a quote", kTypeMarkdown, "> quote\n\t*code*\n\nc\n", 3},
      {"a sequence broken by the end of its line", kTypeText,
       broken_end + "6\n\n" + broken_end + "6\n\n" + broken_end + "\n", 3},
      {"a column name that is cut in a character", kTypeCsv, wide_names + ",b\n1,2\n", 1},
  };
  for (const auto& c : cases) {
    const auto extraction = extract(as_bytes(c.raw), {.key = "", .media_type = c.type});
    ASSERT_TRUE(extraction.ok()) << c.what;
    EXPECT_EQ(extraction->blocks.size(), c.blocks) << c.what;
    SeededRandom random(1);
    check_spans(c.raw, *extraction, random, std::string(c.what));
    for (const Block& block : extraction->blocks) {
      const auto text = decode(as_bytes(block.text), "UTF-8");
      ASSERT_TRUE(text.ok());
      EXPECT_EQ(text->text(), block.text) << c.what << ": not UTF-8";
    }
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace kedge
