// The inputs of a fuzzer, by the names of their files.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "base/bytes.h"
#include "format/golden.h"

namespace kedge::test {

inline std::map<std::string, Bytes> corpus(const std::string& fuzzer) {
  std::map<std::string, Bytes> out;
  const auto folder = golden_folder() / "../../fuzz/corpus" / fuzzer;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    out[entry.path().filename().string()] = to_bytes(bytes);
  }
  KEDGE_CHECK(!out.empty());
  return out;
}

}  // namespace kedge::test
