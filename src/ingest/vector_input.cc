#include "ingest/vector_input.h"

#include <filesystem>

#include "base/strings.h"
#include "ingest/input_file.h"
#include "ingest/vector_lines.h"
#include "ingest/vector_rows.h"

namespace kedge {

std::string row_id(std::uint64_t row) {
  constexpr std::size_t kDigits = 12;  // so that ids sort as rows do, up to a trillion of them
  std::string digits = std::to_string(row);
  if (digits.size() < kDigits) digits.insert(0, kDigits - digits.size(), '0');
  return digits;
}

Result<std::unique_ptr<VectorInput>> VectorInput::open(const std::string& path) {
  const std::string ending = std::filesystem::path(path).extension().string();
  const bool lines = ending == ".jsonl" || ending == ".ndjson";
  if (!lines && ending != ".npy" && ending != ".fvecs" && ending != ".bvecs") {
    return {Code::kUnsupported, str_cat(printable(path), ": not a file of vectors by its name: ",
                                        ".npy, .fvecs, .bvecs, .jsonl or .ndjson")};
  }
  InputFile file = KEDGE_TRY(InputFile::open(path));
  if (lines) return open_vector_lines(std::move(file));
  if (ending == ".npy") return open_npy(std::move(file));
  return open_vecs(std::move(file), ending == ".bvecs");
}

}  // namespace kedge
