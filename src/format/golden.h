// For tests of formats: the bytes of a released version, kept in tests/golden, which stay readable.
// KEDGE_UPDATE_GOLDEN=1 writes them anew: for a new version only.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/bytes.h"

namespace kedge {

// Found from the folder the test runs in, or from this source file.
inline std::filesystem::path golden_folder() {
  for (auto folder = std::filesystem::current_path();; folder = folder.parent_path()) {
    if (std::filesystem::exists(folder / "tests/golden")) return folder / "tests/golden";
    if (folder == folder.root_path()) break;
  }
  return std::filesystem::path(__FILE__).parent_path() / "../../tests/golden";
}

// The kept bytes; empty if there are none.
inline Bytes golden(const std::string& name, const Bytes& now) {
  const auto path = golden_folder() / name;
  if (std::getenv("KEDGE_UPDATE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(now.data()), static_cast<std::streamsize>(now.size()));
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return to_bytes(text);
}

}  // namespace kedge
