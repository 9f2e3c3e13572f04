// Any bytes as a table with separators: fuzz/extract_property.h says what must hold.
#include "fuzz/extract_property.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return kedge::fuzz::check_extraction(data, size, "a.csv", kedge::kTypeCsv);
}
