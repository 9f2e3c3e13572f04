// Embeds the lines of a file with a model folder and writes their vectors as .fvecs (for each line
// its dimension as int32, then the floats): for bench/ann.py, which makes its set `sentences` so.
//
//   embed_lines_bench MODEL LINES OUT.fvecs document|query [THREADS]
//
// OUT is written under another name and renamed at its end, so that a file that exists is whole.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "embed/open_model.h"

namespace {

constexpr std::size_t kLinesAtOnce = 1024;  // sorted by length inside: little padding

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "embed_lines_bench: %s\n", message.c_str());
  std::exit(1);
}

std::vector<std::string> read_lines(const char* path) {
  std::ifstream file(path);
  if (!file) fail(std::string("cannot read ") + path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

void write_rows(std::FILE* file, const std::vector<float>& values, std::size_t dimension) {
  const auto written_dimension = static_cast<std::int32_t>(dimension);
  for (std::size_t at = 0; at < values.size(); at += dimension) {
    if (std::fwrite(&written_dimension, sizeof written_dimension, 1, file) != 1 ||
        std::fwrite(values.data() + at, sizeof(float), dimension, file) != dimension) {
      fail("cannot write");
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) fail("usage: embed_lines_bench MODEL LINES OUT.fvecs document|query [THREADS]");
  kedge::ModelOptions options;
  options.threads = argc > 5 ? static_cast<std::size_t>(std::atoi(argv[5])) : 1;
  auto model = kedge::open_model(argv[1], options);
  if (!model.ok()) fail(model.error().message);
  const std::vector<std::string> lines = read_lines(argv[2]);
  const std::string out = argv[3];
  const std::string unfinished = out + ".unfinished";
  const bool queries = std::string(argv[4]) == "query";
  std::FILE* file = std::fopen(unfinished.c_str(), "wb");
  if (file == nullptr) fail("cannot write " + unfinished);
  for (std::size_t at = 0; at < lines.size(); at += kLinesAtOnce) {
    const std::span<const std::string> texts(lines.data() + at,
                                             std::min(kLinesAtOnce, lines.size() - at));
    auto vectors = queries ? (*model)->embed_queries(texts) : (*model)->embed_documents(texts);
    if (!vectors.ok()) fail(vectors.error().message);
    write_rows(file, *vectors, (*model)->space().dimension);
    std::fprintf(stderr, "\r%zu of %zu lines", at + texts.size(), lines.size());
  }
  std::fputc('\n', stderr);
  if (std::fclose(file) != 0 || std::rename(unfinished.c_str(), out.c_str()) != 0) {
    fail("cannot write " + out);
  }
  return 0;
}
