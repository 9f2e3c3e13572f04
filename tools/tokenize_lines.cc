// Prints what Kedge's WordPiece makes of texts, for comparing it with another tokenizer.
//
//   tokenize_lines VOCABULARY MAX_TOKENS [cased]
//
// Input: records of a u32 length (little-endian) and as many bytes of text. Output: a line a
// record, the ids separated by spaces, then '|' and the number of tokens uncut; or "error: " and
// why.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "embed/wordpiece.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s VOCABULARY MAX_TOKENS [cased] < RECORDS\n", argv[0]);
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary);
  std::string vocabulary((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::size_t max_tokens = std::strtoull(argv[2], nullptr, 10);
  const bool uncased = argc == 3;
  const auto made = kedge::WordPiece::make(
      std::move(vocabulary),
      {.lower_case = uncased, .strip_accents = uncased, .split_chinese = true});
  if (!made.ok() || max_tokens < 2) {
    std::fprintf(stderr, "%s\n",
                 made.ok() ? "MAX_TOKENS is under 2" : made.error().message.c_str());
    return 1;
  }
  std::string text;
  for (std::uint32_t size = 0; std::fread(&size, sizeof size, 1, stdin) == 1;) {
    text.resize(size);
    if (std::fread(text.data(), 1, size, stdin) != size) return 1;
    const auto ids = made->encode(text, max_tokens);
    if (!ids.ok()) {
      std::printf("error: %s\n", ids.error().message.c_str());
      continue;
    }
    for (const std::int32_t id : *ids) std::printf("%d ", id);
    std::printf("| %zu\n", made->count(text));
  }
  return 0;
}
