// What an object is, by the store's media type, the suffix of its key and its first bytes.
#include <algorithm>
#include <string>

#include "base/strings.h"
#include "extract/charset.h"
#include "extract/extractor.h"
#include "extract/scan.h"

namespace kedge {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  std::string_view name;  // in the reason
  std::string_view media_type;
};

constexpr Magic kMagics[] = {
    {0, "%PDF-", "pdf", "application/pdf"},
    {0, "\x89PNG\r\n", "image", "image/png"},
    {0, "\xFF\xD8\xFF", "image", "image/jpeg"},
    {0, "GIF87a", "image", "image/gif"},
    {0, "GIF89a", "image", "image/gif"},
    {8, "WEBP", "image", "image/webp"},
    {0, {"II*\0", 4}, "image", "image/tiff"},
    {0, {"MM\0*", 4}, "image", "image/tiff"},
    {4, "ftyp", "video", "video/mp4"},
    {8, "WAVE", "audio", "audio/wav"},
    {8, "AVI ", "video", "video/x-msvideo"},
    {0, "ID3", "audio", "audio/mpeg"},
    {0, "OggS", "audio", "audio/ogg"},
    {0, "fLaC", "audio", "audio/flac"},
    {0, "\x1A\x45\xDF\xA3", "video", "video/x-matroska"},
    {0, "\x1F\x8B", "archive", "application/gzip"},
    {0, "BZh", "archive", "application/x-bzip2"},
    {0, {"\xFD\x37zXZ\0", 6}, "archive", "application/x-xz"},
    {0, "\x28\xB5\x2F\xFD", "archive", "application/zstd"},
    {0, "7z\xBC\xAF\x27\x1C", "archive", "application/x-7z-compressed"},
    {0, "Rar!\x1A\x07", "archive", "application/vnd.rar"},
    {257, "ustar", "archive", "application/x-tar"},
    {0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "office document", "application/x-ole-storage"},
    {0, "{\\rtf", "rich text", "application/rtf"},
    {0, "%!PS", "postscript", "application/postscript"},
    {0,
     "\x7F"
     "ELF",
     "executable", "application/x-executable"},
    {0, {"MZ\x90\0", 4}, "executable", "application/vnd.microsoft.portable-executable"},
    {0, {"\0asm", 4}, "executable", "application/wasm"},
    {0, "PAR1", "parquet", "application/vnd.apache.parquet"},
    {0, "ARROW1", "arrow", "application/vnd.apache.arrow.file"},
    {0, {"SQLite format 3\0", 16}, "sqlite database", "application/vnd.sqlite3"},
};

constexpr Pair kSuffixes[] = {
    {"md", kTypeMarkdown},     {"markdown", kTypeMarkdown}, {"mdx", kTypeMarkdown},
    {"html", kTypeHtml},       {"htm", kTypeHtml},          {"xhtml", kTypeHtml},
    {"csv", kTypeCsv},         {"tsv", kTypeTsv},           {"tab", kTypeTsv},
    {"json", kTypeJson},       {"geojson", kTypeJson},      {"ipynb", kTypeJson},
    {"jsonl", kTypeJsonLines}, {"ndjson", kTypeJsonLines},  {"log", kTypeLog},
    {"txt", kTypeText},        {"text", kTypeText},         {"rst", kTypeText},
    {"adoc", kTypeText},       {"asciidoc", kTypeText},     {"org", kTypeText},
    {"tex", kTypeText},        {"srt", kTypeText},          {"vtt", kTypeText},
    {"eml", kTypeText},        {"c", kTypeSource},          {"cc", kTypeSource},
    {"cpp", kTypeSource},      {"h", kTypeSource},          {"hpp", kTypeSource},
    {"py", kTypeSource},       {"js", kTypeSource},         {"ts", kTypeSource},
    {"tsx", kTypeSource},      {"jsx", kTypeSource},        {"java", kTypeSource},
    {"go", kTypeSource},       {"rs", kTypeSource},         {"rb", kTypeSource},
    {"php", kTypeSource},      {"cs", kTypeSource},         {"swift", kTypeSource},
    {"kt", kTypeSource},       {"scala", kTypeSource},      {"sh", kTypeSource},
    {"bash", kTypeSource},     {"sql", kTypeSource},        {"r", kTypeSource},
    {"lua", kTypeSource},      {"pl", kTypeSource},         {"css", kTypeSource},
    {"scss", kTypeSource},     {"xml", kTypeSource},        {"yaml", kTypeSource},
    {"yml", kTypeSource},      {"toml", kTypeSource},       {"ini", kTypeSource},
    {"cfg", kTypeSource},      {"conf", kTypeSource},       {"cmake", kTypeSource},
    {"proto", kTypeSource},    {"tf", kTypeSource},         {"properties", kTypeSource}};

constexpr Pair kMediaTypes[] = {{"text/markdown", kTypeMarkdown},
                                {"text/x-markdown", kTypeMarkdown},
                                {"text/html", kTypeHtml},
                                {"application/xhtml+xml", kTypeHtml},
                                {"text/csv", kTypeCsv},
                                {"text/tab-separated-values", kTypeTsv},
                                {"application/json", kTypeJson},
                                {"application/geo+json", kTypeJson},
                                {"application/ld+json", kTypeJson},
                                {"application/x-ndjson", kTypeJsonLines},
                                {"application/jsonl", kTypeJsonLines},
                                {"application/x-jsonlines", kTypeJsonLines},
                                {"text/x-log", kTypeLog},
                                {"text/x-source", kTypeSource}};

// Kinds that are skipped by suffix or media type where the bytes say nothing.
constexpr Pair kUnreadSuffixes[] = {{"pdf", "pdf"},
                                    {"svg", "image"},
                                    {"heic", "image"},
                                    {"ico", "image"},
                                    {"mp3", "audio"},
                                    {"mp4", "video"},
                                    {"mov", "video"},
                                    {"zip", "archive"},
                                    {"tar", "archive"},
                                    {"parquet", "parquet"},
                                    {"docx", "office document"},
                                    {"xlsx", "office document"},
                                    {"pptx", "office document"},
                                    {"pem", "key or certificate"},
                                    {"key", "key or certificate"}};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), to_lower);
  return out;
}

std::string_view find(std::span<const Pair> table, std::string_view key) {
  for (const auto& [name, value] : table) {
    if (name == key) return value;
  }
  return {};
}

// The suffix that tells the type: "app.log.2" and "app.log.2024-05-01" are logs.
std::string suffix_of(std::string_view key) {
  const std::size_t slash = key.rfind('/');
  const std::string name = lower(slash == std::string_view::npos ? key : key.substr(slash + 1));
  std::string_view rest = name;
  for (int i = 0; i < 3; ++i) {
    const std::size_t dot = rest.rfind('.');
    if (dot == std::string_view::npos) return "";
    const std::string_view suffix = rest.substr(dot + 1);
    const bool rotation =
        !suffix.empty() && suffix.find_first_not_of("0123456789-_") == std::string_view::npos;
    if (!rotation) return std::string(suffix);
    rest = rest.substr(0, dot);
  }
  return "";
}

TypeDecision refuse(std::string_view name, std::string_view media_type) {
  return {std::string(media_type), false, str_cat(name, " is not read by this version")};
}

TypeDecision accept(std::string_view media_type) { return {std::string(media_type), true, ""}; }

// A zip file: Office and e-books say so in the names of their first members.
TypeDecision refuse_zip(std::string_view bytes) {
  if (bytes.find("[Content_Types].xml") != std::string_view::npos ||
      bytes.find("word/") != std::string_view::npos) {
    return refuse("office document", "application/vnd.openxmlformats-officedocument");
  }
  if (bytes.find("mimetypeapplication/vnd.oasis") != std::string_view::npos) {
    return refuse("office document", "application/vnd.oasis.opendocument");
  }
  if (bytes.find("mimetypeapplication/epub") != std::string_view::npos)
    return refuse("e-book", "application/epub+zip");
  return refuse("archive", "application/zip");
}

bool starts_like_html(std::string_view bytes) {
  const std::size_t begin = bytes.find_first_not_of(" \t\r\n\f\xEF\xBB\xBF");
  if (begin == std::string_view::npos) return false;
  const std::string head = lower(bytes.substr(begin, 16));
  return head.starts_with("<!doctype html") || head.starts_with("<html");
}

bool has_control_bytes(ByteView bytes) {
  std::size_t controls = 0;
  for (const std::byte b : bytes) {
    const auto c = std::to_integer<unsigned>(b);
    if (c == 0) return true;
    controls += c < 8 || (c > 13 && c < 27) || (c > 27 && c < 32);
  }
  return controls * 20 > bytes.size();
}

}  // namespace

TypeDecision decide_type(const ExtractHint& hint, ByteView first_bytes) {
  const std::string_view bytes = as_text(first_bytes);
  for (const Magic& magic : kMagics) {
    if (bytes.size() < magic.offset + magic.bytes.size()) continue;
    if (bytes.substr(magic.offset, magic.bytes.size()) == magic.bytes)
      return refuse(magic.name, magic.media_type);
  }
  if (bytes.starts_with("PK\x03\x04") || bytes.starts_with("PK\x05\x06")) return refuse_zip(bytes);

  const ByteView head = first_bytes.first(std::min(first_bytes.size(), kMaxSniffBytes));
  const CharsetGuess charset = detect_charset(head, false);
  const bool wide = charset.charset.starts_with("UTF-16") || charset.charset.starts_with("UTF-32");
  if (!wide && has_control_bytes(head))
    return refuse("unknown binary data", "application/octet-stream");

  const std::string media = lower(hint.media_type.substr(0, hint.media_type.find(';')));
  const std::string_view by_media = find(kMediaTypes, media);
  if (!by_media.empty()) return accept(by_media);
  const std::string suffix = suffix_of(hint.key);
  const std::string_view by_suffix = find(kSuffixes, suffix);
  if (!by_suffix.empty()) return accept(by_suffix);
  const std::string_view unread = find(kUnreadSuffixes, suffix);
  if (!unread.empty()) return refuse(unread, media.empty() ? "application/octet-stream" : media);
  for (const std::string_view family : {"image", "audio", "video", "font"}) {
    if (media.starts_with(str_cat(family, "/"))) return refuse(family, media);
  }
  if (media == "application/pdf") return refuse("pdf", media);
  return accept(starts_like_html(bytes) ? kTypeHtml : kTypeText);
}

}  // namespace kedge
