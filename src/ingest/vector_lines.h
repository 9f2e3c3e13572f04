// Records of vectors as JSON, one a line:
//
//   {"id": "a" or 7, "vector": [0.5, ...], "metadata": {"name": value, ...}}
//
// "key" means id; "embedding" and "values" mean vector, and so does "data": {"float32": [...]}, as
// Amazon S3 Vectors has it. Only the vector must be there. Any other field is refused: what is not
// in the metadata would be lost in silence. Of a name that comes twice JSON keeps the last.
//
// A value of the metadata is a text, a number (an f64, as JSON has it), a boolean or a list of
// those; null is no value; anything else, as an object, is the text of its JSON.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ingest/input_file.h"
#include "ingest/vector_input.h"

namespace kedge {

struct LineProblem {
  std::size_t at = 0;  // bytes into the line
  std::string what;
  bool memory = false;  // it is none of the line: memory does not suffice for it
};

// Fills `record`: an id that is not there is left empty, one that is has 1 to kMaxKeyBytes bytes.
// The values are finite, 1 to kMaxDimension of them.
std::optional<LineProblem> parse_vector_line(std::string_view line, VectorRecord& record);

// Lines of nothing but spaces are passed over, and a byte order mark at the beginning.
Result<std::unique_ptr<VectorInput>> open_vector_lines(InputFile file);

}  // namespace kedge
