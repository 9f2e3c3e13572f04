// The inline markup of Markdown: links, emphasis, code spans, references and tags stripped from a
// run of lines.
#pragma once

#include <string>
#include <vector>

#include "extract/scan.h"

namespace kedge {

// The joined lines of one block, with the offset of each byte in the text they come from.
struct InlineText {
  std::string text;
  std::vector<std::uint32_t> source;
};

// Writes `in` without its markup to the sink's open block. Linear in the size of `in`.
void put_inline(const InlineText& in, BlockSink& sink);

}  // namespace kedge
