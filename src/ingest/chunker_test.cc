#include "ingest/chunker.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "extract/random_documents.h"

namespace kedge {
namespace {

bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c & 0x80) != 0;
}

// About as WordPiece counts: pieces of words of up to four bytes, and each mark.
std::size_t count_tokens(std::string_view text) {
  std::size_t tokens = 0;
  std::size_t run = 0;
  for (const char c : text) {
    const bool word = is_word_byte(c);
    const bool blank = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (word ? run % 4 == 0 : !blank) ++tokens;
    run = word ? run + 1 : 0;
  }
  return tokens;
}

struct Cut {
  Extraction extraction;
  std::vector<Chunk> chunks;
};

Cut cut(const std::string& raw, std::string_view type,
        const ChunkerOptions& options = {.max_tokens = 254}) {
  Cut result;
  auto extraction = extract(as_bytes(raw), {.key = "", .media_type = type});
  EXPECT_TRUE(extraction.ok()) << type << ": "
                               << (extraction.ok() ? "" : extraction.error().message);
  if (!extraction.ok()) return result;
  auto chunks = make_chunks(as_bytes(raw), *extraction, options, count_tokens);
  EXPECT_TRUE(chunks.ok()) << type << ": " << (chunks.ok() ? "" : chunks.error().message);
  result.extraction = std::move(*extraction);
  if (chunks.ok()) result.chunks = std::move(*chunks);
  return result;
}

// Ranges in order, sizes within the budget, and the text what the bytes alone give.
void check_rules(const std::string& raw, const Cut& made, std::size_t max_tokens,
                 const std::string& where) {
  std::uint64_t end = 0;
  for (const Chunk& chunk : made.chunks) {
    const std::string place = str_cat(where, ", bytes ", chunk.begin, " to ", chunk.end);
    ASSERT_GE(chunk.begin, end) << place;
    ASSERT_GT(chunk.end, chunk.begin) << place;
    ASSERT_LE(chunk.end, raw.size()) << place;
    ASSERT_LE(chunk.line_first, chunk.line_last) << place;
    ASSERT_GE(chunk.line_first, 1U) << place;
    ASSERT_LE(count_tokens(chunk.text), max_tokens) << place;
    ASSERT_FALSE(chunk.text.empty()) << place;
    const auto span =
        extract_span(as_bytes(raw).subspan(chunk.begin, chunk.end - chunk.begin),
                     {made.extraction.media_type, made.extraction.charset, chunk.context});
    ASSERT_TRUE(span.ok()) << place << ": " << span.error().message;
    ASSERT_EQ(*span, chunk.text) << place << ", context '" << chunk.context << "'";
    end = chunk.end;
  }
}

// Letters only: what divides blocks and pieces does not count.
std::string letters(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out), is_word_byte);
  return out;
}

std::vector<std::string> texts(const Cut& made) {
  std::vector<std::string> out;
  for (const Chunk& chunk : made.chunks) out.push_back(chunk.text);
  return out;
}

std::size_t changed(const Cut& before, const Cut& after) {
  const auto old_texts = texts(before);
  const std::set<std::string> old(old_texts.begin(), old_texts.end());
  const auto now = texts(after);
  return static_cast<std::size_t>(
      std::count_if(now.begin(), now.end(), [&](const auto& t) { return !old.contains(t); }));
}

TEST(Chunker, ChunksOfEachFormatAndCharsetFollowTheRules) {
  for (const std::string_view type : kRandomTypes) {
    for (const std::string_view charset : {"UTF-8", "UTF-16LE", "windows-1252"}) {
      for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        for (const std::size_t max_tokens : {kSafeMaxTokens, std::size_t{254}, std::size_t{2000}}) {
          const std::string where =
              str_cat(type, ", ", charset, ", seed ", seed, ", max_tokens ", max_tokens);
          const std::string text = DocumentWriter(seed, charset == "windows-1252").write(type, 60);
          const std::string raw = charset == "UTF-8" ? text : encode_as(text, charset);
          const Cut made = cut(raw, type, {.max_tokens = max_tokens});
          check_rules(raw, made, max_tokens, where);
          if (HasFatalFailure()) return;
          // Nothing is lost or doubled: blocks of these documents are never cut inside at these
          // sizes.
          std::string whole;
          for (const Block& block : made.extraction.blocks) whole += letters(block.text);
          std::string parts;
          for (const Chunk& chunk : made.chunks) parts += letters(chunk.text);
          ASSERT_EQ(parts, whole) << where;
        }
      }
    }
  }
}

// Blocks that are much longer than a chunk: one paragraph, one row, one string, one entry, one line
// without blanks.
TEST(Chunker, LongBlocksAreCutWithinTheRules) {
  DocumentWriter writer(3, false);
  std::string prose;
  while (prose.size() < 30000) prose += writer.sentence() + " ";
  std::string word;
  while (word.size() < 20000) word += writer.word();
  std::string spaced_json;
  for (const char c : word + " " + prose) spaced_json += c == '"' ? '\'' : c;
  const struct {
    std::string_view type;
    std::string raw;
  } cases[] = {
      {kTypeText, prose},
      {kTypeText, word},
      {kTypeMarkdown, "- " + prose + "**" + word + "**"},
      {kTypeMarkdown, "```\n" + prose + word + "\n```\nbehind\n"},
      {kTypeHtml, "<h1>A</h1><pre>" + prose + "</pre><table><tr><td>" + prose + "<td>b</table>"},
      {kTypeCsv, "id,text\n1,\"" + prose + "\"\n2," + word + "\n3,c\n"},
      {kTypeJson, R"({"a": {"b": ")" + spaced_json + R"(", "c": 1}})"},
      {kTypeJsonLines, R"({"a": ")" + spaced_json + R"(", "c": 1})" + "\n{\"a\": 2}\nbad " + prose +
                           "\n{\"a\": 3}\n"},
      {kTypeLog, "2024 INFO " + prose + "\n  at x\n2024 INFO b\n"},
  };
  for (const auto& c : cases) {
    for (const std::string_view charset : {"UTF-8", "UTF-16BE"}) {
      const std::string raw = charset == "UTF-8" ? c.raw : encode_as(c.raw, charset);
      const std::string where = str_cat(c.type, ", ", charset, ": ", c.raw.substr(0, 20));
      const Cut made = cut(raw, c.type);
      check_rules(raw, made, 254, where);
      if (HasFatalFailure()) return;
      EXPECT_GT(made.chunks.size(), 20U) << where;
      std::string whole;
      for (const Block& block : made.extraction.blocks) whole += letters(block.text);
      std::string parts;
      for (const Chunk& chunk : made.chunks) parts += letters(chunk.text);
      EXPECT_EQ(parts, whole) << where;
    }
  }
}

std::vector<std::string> random_items(std::string_view type, std::uint64_t seed,
                                      std::size_t count) {
  DocumentWriter writer(seed, false);
  std::vector<std::string> items;
  for (std::size_t i = 0; i < count; ++i) items.push_back(writer.item(type, i));
  return items;
}

std::string concat(const std::vector<std::string>& items, std::size_t begin, std::size_t end) {
  return std::accumulate(items.begin() + static_cast<std::ptrdiff_t>(begin),
                         items.begin() + static_cast<std::ptrdiff_t>(end), std::string());
}

// A paragraph put into a file of 200 chunks costs three at most, wherever it is put.
TEST(Chunker, InsertionChangesThreeChunksAtMost) {
  for (const std::string_view type :
       {kTypeText, kTypeMarkdown, kTypeHtml, kTypeLog, kTypeJsonLines}) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      const auto items = random_items(type, seed, type == kTypeText ? 600 : 1600);
      const Cut before = cut(concat(items, 0, items.size()), type);
      EXPECT_GE(before.chunks.size(), 200U) << type << ", seed " << seed;
      const std::string added = DocumentWriter(seed + 1000, false).item(type, 7);
      SeededRandom random(seed);
      for (const std::size_t at :
           {std::size_t{0}, static_cast<std::size_t>(random.below(items.size()))}) {
        const Cut after = cut(concat(items, 0, at) + added + concat(items, at, items.size()), type);
        EXPECT_LE(changed(before, after), 3U)
            << type << ", seed " << seed << ", item " << at << " of " << items.size();
      }
    }
  }
}

// All chunks but the last stay, however much is appended, and however little was there.
TEST(Chunker, AppendChangesTheLastChunkOnly) {
  for (const std::string_view type :
       {kTypeText, kTypeMarkdown, kTypeHtml, kTypeCsv, kTypeLog, kTypeJsonLines}) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      const auto items = random_items(type, seed, 160);
      const std::string head = type == kTypeCsv ? "id,name,note\n" : "";
      for (const std::size_t kept : {3, 10, 40, 70, 99, 120}) {
        const Cut before = cut(head + concat(items, 0, kept), type);
        for (const std::size_t now : {kept + 1, kept + 2, items.size()}) {
          const auto old_texts = texts(before);
          const auto new_texts = texts(cut(head + concat(items, 0, now), type));
          ASSERT_GE(new_texts.size(), old_texts.size()) << type << ", seed " << seed;
          for (std::size_t i = 0; i + 1 < old_texts.size(); ++i) {
            ASSERT_EQ(new_texts[i], old_texts[i])
                << type << ", seed " << seed << ", " << kept << " to " << now << " items, chunk "
                << i << " of " << old_texts.size();
          }
        }
      }
    }
  }
}

// Identical lines have no content to anchor cuts in; chunks must not shrink to lines.
TEST(Chunker, RepeatedLinesFillChunks) {
  std::string raw;
  for (int i = 0; i < 3000; ++i) raw += "ERROR connection refused\n";
  const Cut made = cut(raw, kTypeLog);
  check_rules(raw, made, 254, "repeated lines");
  for (std::size_t i = 0; i + 1 < made.chunks.size(); ++i)
    EXPECT_GE(count_tokens(made.chunks[i].text), 150U) << i;
}

TEST(Chunker, HeadingsBeginChunksAndNeverEndThem) {
  std::string raw;
  DocumentWriter writer(4, false);
  for (int i = 0; i < 40; ++i) {
    raw += "# " + writer.sentence() + "\n\n" + writer.paragraph() + "\n\n" + writer.paragraph() +
           "\n\n" + writer.paragraph() + "\n\n";
  }
  const Cut made = cut(raw, kTypeMarkdown);
  std::size_t at_heading = 0;
  for (const Chunk& chunk : made.chunks) {
    at_heading += raw.substr(chunk.begin, 2) == "# ";
    const std::size_t last_line = raw.rfind('\n', chunk.end - 1);
    EXPECT_NE(raw.substr(last_line + 1, 2), "# ") << chunk.text;
  }
  EXPECT_GE(at_heading * 10, made.chunks.size() * 7) << made.chunks.size();
}

TEST(Chunker, KnowsLinesAndRows) {
  const Cut text = cut("one\ntwo\n\n\nthree\n", kTypeText);
  ASSERT_EQ(text.chunks.size(), 1U);
  EXPECT_EQ(text.chunks[0].line_first, 1U);
  EXPECT_EQ(text.chunks[0].line_last, 5U);
  const Cut csv = cut("a,b\n1,x\n2,\"y\nz\"\n3,q\n", kTypeCsv);
  ASSERT_EQ(csv.chunks.size(), 1U);
  EXPECT_EQ(csv.chunks[0].row_first, 2U);
  EXPECT_EQ(csv.chunks[0].row_last, 4U);
  EXPECT_EQ(csv.chunks[0].line_last, 5U);
  // The pieces of a long block have their own lines.
  std::string lines;
  for (int i = 1; i <= 500; ++i) lines += str_cat("line number ", i, " of the paragraph\n");
  const Cut pieces = cut(lines, kTypeText);
  ASSERT_GT(pieces.chunks.size(), 5U);
  for (const Chunk& chunk : pieces.chunks) {
    const std::string first = str_cat("line number ", chunk.line_first, " ");
    const std::string last = str_cat("line number ", chunk.line_last, " ");
    EXPECT_TRUE(chunk.text.starts_with(first))
        << chunk.line_first << ": " << chunk.text.substr(0, 40);
    EXPECT_NE(chunk.text.find(last), std::string::npos) << chunk.line_last;
  }
}

// Counting is the costly part: each byte is counted a few times at most, whatever the input.
TEST(Chunker, CountsEachTextOnlyAFewTimes) {
  DocumentWriter writer(8, false);
  std::string prose;
  while (prose.size() < 200000) prose += writer.paragraph() + "\n\n";
  for (const std::string& raw :
       {prose, std::string(200000, 'a'), std::string(200000, ' ') + "a", "a " + prose + prose}) {
    const auto extraction = extract(as_bytes(raw), {.key = "a.txt", .media_type = ""});
    ASSERT_TRUE(extraction.ok());
    std::size_t counted = 0;
    const auto chunks =
        make_chunks(as_bytes(raw), *extraction, {.max_tokens = 254}, [&](std::string_view text) {
          counted += text.size();
          return count_tokens(text);
        });
    ASSERT_TRUE(chunks.ok());
    EXPECT_LE(counted, raw.size() * 5 / 2) << raw.substr(0, 10);
  }
}

TEST(Chunker, RefusesABudgetThatHoldsNothing) {
  const std::string raw = "a text";
  const auto extraction = extract(as_bytes(raw), {.key = "a.txt", .media_type = ""});
  EXPECT_EQ(make_chunks(as_bytes(raw), *extraction, {}, count_tokens).code(), Code::kInvalid);
}

}  // namespace
}  // namespace kedge
