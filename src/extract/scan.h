// The inside of extraction: scanners that read decoded text and yield blocks. A scanner can start
// at the beginning of any block, or in the middle of one, if it is given the context that holds
// there. So the text of a span is what the scanner of its format yields for the span, and no second
// reading of a format has to agree with the first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "extract/extractor.h"

namespace kedge {

// A block in offsets of the decoded text. `source` (when asked for) gives for each byte of `text`
// the offset of the character that it came from; bytes that stand for no character (separators,
// names) carry that of what follows.
struct ScannedBlock {
  BlockKind kind = BlockKind::kParagraph;
  std::uint8_t level = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::uint64_t row = 0;
  std::uint32_t context = 0;
  std::string text;
  std::vector<std::uint32_t> source;
};

// What a scanner writes to. Blocks without visible text vanish.
class BlockSink {
 public:
  explicit BlockSink(bool mapped) : mapped_(mapped) { contexts_.push_back(""); }

  void open(BlockKind kind, std::size_t begin, std::string_view context, std::uint8_t level = 0,
            std::uint64_t row = 0);
  [[nodiscard]] bool is_open() const { return open_; }
  // Bytes as they lie in the text at `at`.
  void put(std::string_view verbatim, std::size_t at);
  // Text that stands for, or is put before, what lies at `at`.
  void put_as(std::string_view text, std::size_t at);
  // Ends the open block, without the white space at its end.
  void close(std::size_t end);
  ScannedBlock& current() { return block_; }

  // kExhausted once a limit was passed; scanners stop then.
  [[nodiscard]] bool full() const { return full_; }
  [[nodiscard]] Status status() const;

  std::vector<ScannedBlock> blocks;
  std::string title;
  std::string end_context;  // what holds after the last byte

  [[nodiscard]] const std::vector<std::string>& contexts() const { return contexts_; }

 private:
  bool mapped_;
  bool open_ = false;
  bool full_ = false;
  ScannedBlock block_;
  std::vector<std::string> contexts_;
  std::unordered_map<std::string, std::uint32_t> context_numbers_;
  std::size_t context_bytes_ = 0;
};

struct ScanInput {
  std::string_view text;
  std::string_view context;
  bool whole = false;  // an object from its beginning: front matter, header rows and delimiters are
                       // looked for
  bool tabs = false;   // CSV by its type is tab-separated
};

Status scan_text(const ScanInput& input, BlockKind kind, BlockSink& sink);
Status scan_log(const ScanInput& input, BlockSink& sink);
Status scan_markdown(const ScanInput& input, BlockSink& sink);
Status scan_html(const ScanInput& input, BlockSink& sink);
Status scan_csv(const ScanInput& input, BlockSink& sink);
Status scan_json(const ScanInput& input, BlockSink& sink);
Status scan_json_lines(const ScanInput& input, BlockSink& sink);

// One line of a text: [begin, end) without its line end, `next` where the following one begins.
struct Line {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t next = 0;
};
// LF, CR LF and CR end lines. Precondition: at <= text.size().
Line line_at(std::string_view text, std::size_t at);
// The end of the line without blanks before it.
std::size_t trimmed_end(std::string_view text, const Line& line);
bool is_blank(std::string_view line);

inline bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline bool is_alnum(char c) { return is_alpha(c) || is_digit(c); }
inline char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// The first bytes of `text` up to `size`, cut at a character.
std::string_view utf8_prefix(std::string_view text, std::size_t size);
// The size of the UTF-8 character at `at`, by its first byte.
std::size_t utf8_size(char lead);

// A character reference of HTML at text[at] == '&': its characters and its size, 0 if there is
// none.
struct Reference {
  std::string text;
  std::size_t size = 0;
};
Reference reference_at(std::string_view text, std::size_t at);

// A name shown before a value ("name: value") is cut here, so that the smallest piece fits every
// chunk.
inline constexpr std::size_t kMaxShownName = 64;
inline constexpr std::size_t kMaxBlocks = std::size_t{4} << 20;
inline constexpr std::size_t kMaxContextsBytes = std::size_t{64} << 20;

}  // namespace kedge
