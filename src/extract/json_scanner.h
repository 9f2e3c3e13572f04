// A JSON scanner that keeps positions and no tree: one pass, no recursion, the open containers as
// its only state, so that it can begin in the middle of a document.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "extract/scan.h"

namespace kedge {

// The containers that are open at some place, outermost first.
struct JsonLevel {
  bool array = false;
  std::string key;  // of an object: the key whose value comes next or is open; shown form, at most
                    // kMaxShownName bytes
};

struct JsonState {
  std::vector<JsonLevel> levels;
  bool in_string = false;  // inside a string that is a value

  // '[' an array, '{' an object with its key in quotes where one is open, '~' at the end inside a
  // string. The key of the innermost object is left out: what follows brings its own.
  [[nodiscard]] std::string encode() const;
  static Result<JsonState> parse(std::string_view text);
};

struct JsonOptions {
  bool fragment = false;     // the text may begin and end anywhere that a cut can be
  bool record_root = false;  // the root value is a record (JSON Lines)
  std::uint64_t row = 0;
};

// Scans text[begin, end) and writes its blocks; `state` is updated to what holds at the end.
// kInvalid with the offset in `text` of the first byte that breaks JSON; blocks may have been
// written before. kExhausted: nesting deeper than kMaxJsonDepth.
Status scan_json_value(std::string_view text, std::size_t begin, std::size_t end,
                       const JsonOptions& options, JsonState& state, BlockSink& sink);

inline constexpr std::size_t kMaxJsonDepth = 64;
// Longer numbers are no numbers.
inline constexpr std::size_t kMaxJsonNumber = 64;
// A string this long without a blank is data (base64, a hash list), not text, and is left out.
inline constexpr std::size_t kMinOpaqueString = 1024;

}  // namespace kedge
