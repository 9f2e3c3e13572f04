// What comes from users, their files and their buckets.
#include <gtest/gtest.h>

#include "embed/safetensors.h"
#include "embed/wordpiece.h"
#include "engine/filter.h"
#include "extract/extractor.h"
#include "ingest/chunker.h"
#include "ingest/npy_header.h"
#include "ingest/sidecar.h"
#include "ingest/vector_lines.h"
#include "net/http_target.h"
#include "s3/aws_profile.h"
#include "s3/credential_answer.h"
#include "s3/endpoint.h"
#include "s3/s3_object.h"
#include "s3/s3_xml.h"
#include "tests/allocation/corpus.h"
#include "tests/allocation/fail_each.h"

namespace kedge {

// For expect_same().
bool operator==(const Chunk& a, const Chunk& b) {
  return a.begin == b.begin && a.end == b.end && a.context == b.context && a.text == b.text;
}

namespace {

using test::corpus;
using test::fail_each;

// The texts and places of an extraction, as one text.
std::string described(const Extraction& extraction) {
  std::string out = str_cat(extraction.media_type, extraction.charset, extraction.title);
  for (const Block& block : extraction.blocks)
    out += str_cat("\n", block.begin, "-", block.end, " ", block.text);
  return out;
}

std::size_t count_words(std::string_view text) {
  std::size_t words = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    words += text[i] != ' ' && (i == 0 || text[i - 1] == ' ');
  return words;
}

void fail_extraction(const std::string& fuzzer, const std::string& key) {
  for (const auto& [name, raw] : corpus(fuzzer)) {
    const ExtractHint hint{.key = key, .media_type = ""};
    Result<Extraction> good = extract(raw, hint);
    fail_each(str_cat(fuzzer, " ", name), [&] { return extract(raw, hint); });
    if (!good.ok()) continue;
    const Result<Extraction> again = extract(raw, hint);
    ASSERT_EQ(described(*again), described(*good));
    const TokenCounter counter = count_words;
    const ChunkerOptions options{.max_tokens = kSafeMaxTokens};
    fail_each(str_cat("chunks of ", name),
              [&] { return make_chunks(raw, *good, options, counter); });
    for (std::size_t i = 0; i < std::min<std::size_t>(good->blocks.size(), 2); ++i) {
      const Block& block = good->blocks[i];
      const SpanContext context{good->media_type, good->charset,
                                good->contexts[good->context_of_block[i]]};
      const ByteView bytes = ByteView(raw).subspan(block.begin, block.end - block.begin);
      const std::string what = str_cat(" of block ", i, " of ", name);
      fail_each("text" + what, [&] { return extract_span(bytes, context); });
      fail_each("map" + what, [&] { return map_span(bytes, context); });
      fail_each("context" + what, [&] { return context_after(bytes, context); });
    }
  }
}

TEST(WithoutMemory, Extraction) {
  const std::pair<const char*, const char*> kinds[] = {
      {"extract_text", "a.txt"},        {"extract_markdown", "a.md"}, {"extract_html", "a.html"},
      {"extract_csv", "a.csv"},         {"extract_json", "a.json"},   {"extract_log", "a.log"},
      {"extract_json_lines", "a.jsonl"}};
  for (const auto& [fuzzer, key] : kinds) fail_extraction(fuzzer, key);
}

TEST(WithoutMemory, AnswersOfStores) {
  for (const auto& [name, bytes] : corpus("s3_xml")) {
    const ByteView body = ByteView(bytes).subspan(1);
    const auto fail = [&, n = name](const std::string& what, const auto& parse) {
      fail_each(str_cat(what, " of ", n), [&] { return parse(body); });
    };
    fail("list", [](ByteView b) { return parse_list_objects(b); });
    fail("versions", [](ByteView b) { return parse_list_versions(b); });
    fail("uploads", [](ByteView b) { return parse_list_uploads(b); });
    fail("tags", [](ByteView b) { return parse_tagging(b); });
    fail("delete", [](ByteView b) -> Result<std::size_t> {
      return KEDGE_TRY(parse_delete_result(b)).size();
    });
    fail("id", [](ByteView b) { return parse_upload_id(b); });
    fail("complete", [](ByteView b) { return parse_complete(b); });
    // What an answer means its status says: without memory it has no words.
    fail("error", [](ByteView b) -> Status {
      (void)parse_s3_error(b);
      return {};
    });
  }
  const Bytes tags = to_bytes(
      "<Tagging><TagSet><Tag><Key>a key of a tag, in a heap</Key><Value>1</Value></Tag>"
      "<Tag><Key>b</Key><Value>2</Value></Tag></TagSet></Tagging>");
  fail_each("tagging", [&] { return parse_tagging(tags); });
  HttpResponse response;
  response.status = 200;
  response.headers = {{"etag", "\"5d41402abc4b2a765d41402abc4b2a76\""},
                      {"last-modified", "Wed, 21 Oct 2015 07:28:00 GMT"},
                      {"x-amz-meta-a-long-name-of-one", "=?UTF-8?Q?a_value_that_is_encoded?="},
                      {"content-length", "17"}};
  fail_each("object", [&]() -> Result<std::string> {
    return KEDGE_TRY(object_of("a key", response)).tag.value;
  });
}

TEST(WithoutMemory, ProfilesAndCredentials) {
  for (const auto& [name, bytes] : corpus("aws_profile")) {
    const std::string_view text = as_text(bytes);
    for (const AwsFileKind kind : {AwsFileKind::kConfig, AwsFileKind::kCredentials}) {
      fail_each("profile " + name, [&] {
        AwsProfiles profiles;
        return profiles.parse(text, kind, "file");
      });
    }
    fail_each("answer " + name, [&]() -> Result<std::string> {
      return KEDGE_TRY(JsonFields::parse(text, "answer")).what();
    });
    fail_each("expiry " + name, [&] { return parse_expiry(text, "answer"); });
    fail_each("fields " + name, [&] { return with_json_fields(text, {}, "answer"); });
  }
  for (const char* url :
       {"https://bucket.s3.example.com:9000/a/base", "http://[::1]:9/", "ftp://x", ""}) {
    fail_each(str_cat("url ", url), [&]() -> Result<std::string> {
      return KEDGE_TRY(parse_base_url(url, "endpoint")).host;
    });
    fail_each(str_cat("target ", url),
              [&]() -> Result<std::string> { return KEDGE_TRY(parse_http_target(url)).host_port; });
  }
}

TEST(WithoutMemory, Models) {
  for (const auto& [name, file] : corpus("safetensors")) {
    fail_each("tensors " + name, [&]() -> Result<std::size_t> {
      return KEDGE_TRY(Safetensors::parse(file)).tensors().size();
    });
  }
  const std::string vocabulary =
      "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\nb\n##b\nab\n##ab\n.\n";
  // It is moved in: the copies are made beforehand.
  std::vector<std::string> copies(test::kMostFailures + 8, vocabulary);
  fail_each("vocabulary", [&]() -> Result<std::size_t> {
    std::string copy = std::move(copies.back());
    copies.pop_back();
    return KEDGE_TRY(WordPiece::make(std::move(copy), {})).size();
  });
  const WordPiece tokenizer = std::move(WordPiece::make(vocabulary, {})).value();
  for (const auto& [name, bytes] : corpus("wordpiece"))
    fail_each("tokens " + name, [&] { return tokenizer.encode(as_text(bytes), 64); });
}

TEST(WithoutMemory, VectorsAndMetadata) {
  for (const auto& [name, bytes] : corpus("npy_header")) {
    fail_each("npy " + name,
              [&]() -> Result<std::uint64_t> { return KEDGE_TRY(NpyHeader::parse(bytes)).rows; });
  }
  for (const auto& [name, bytes] : corpus("vector_line")) {
    fail_each("line " + name, [&]() -> Result<std::vector<float>> {
      VectorRecord record;
      auto problem = parse_vector_line(as_text(bytes), record);
      if (!problem) return std::move(record.values);
      return Error{problem->memory ? Code::kExhausted : Code::kInvalid, std::move(problem->what)};
    });
  }
  const Bytes sidecars[] = {
      to_bytes(R"({"metadataAttributes": {"a name that is long enough": ["b", 1, true, "a text"],
               "n": {"value": {"type": "STRING_LIST", "stringListValue": ["x", "y"]}}}})"),
      to_bytes(R"({"a": {"b": [1, {"c": "an object, kept as its text"}]}})"), to_bytes("{")};
  for (const Bytes& sidecar : sidecars)
    fail_each("sidecar", [&] { return parse_sidecar(sidecar); });
}

// The configuration is not among these: its library ends the program (docs/failures.md).
TEST(WithoutMemory, Filters) {
  for (const std::string_view text :
       {R"(year >= 2020 and team = "core" and not (lang in ("de", "fr")) and exists(author))",
        R"({"year": {"$gte": 2020}, "$or": [{"team": "core"}, {"lang": {"$nin": ["de", "fr"]}}]})",
        R"(modified < "2024-03-01" or key ^= "a prefix that is long enough for a heap")",
        "year >= ", R"({"year": {"$gte": [)", R"({"$and": []})"}) {
    fail_each(str_cat("filter ", text), [&] { return parse_filter(text); });
  }
}

}  // namespace
}  // namespace kedge
