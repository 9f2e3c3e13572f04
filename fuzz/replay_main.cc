// Runs a fuzz target without libFuzzer: every file of its corpus, then seeded mutations of those
// files, so that each corpus replays in ctest with the everyday compiler and sanitizers.
//
//   NAME_fuzz CORPUS_FOLDER_OR_FILE [MUTATIONS [SEED]]
//
// A failing input is written to NAME_fuzz.crash in the current folder; give that file in place of
// the folder, with 0 mutations, to run it alone.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));
// A parser that allocates by an unchecked length fails here, and not only where memory is short.
extern "C" const char* __asan_default_options() { return "max_allocation_size_mb=512"; }

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::size_t kMaxInputBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxStackedMutations = 4;
constexpr std::size_t kDefaultMutations = 3000;

// What runs now, for the handler of its death.
const Input* g_current = nullptr;
std::string g_crash_path;

void write_current_input() {
  if (g_current == nullptr) return;
  std::ofstream(g_crash_path, std::ios::binary)
      .write(reinterpret_cast<const char*>(g_current->data()),
             static_cast<std::streamsize>(g_current->size()));
  g_current = nullptr;
  std::fprintf(stderr, "fuzz: the failing input is in %s\n", g_crash_path.c_str());
}

void on_abort(int) {
  write_current_input();
  std::signal(SIGABRT, SIG_DFL);
  std::raise(SIGABRT);
}

// Runs one input from an array of exactly its size, so that a read past its end is seen.
void run(const Input& input) {
  g_current = &input;
  const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[input.size()]);
  std::copy(input.begin(), input.end(), exact.get());
  LLVMFuzzerTestOneInput(exact.get(), input.size());
  g_current = nullptr;
}

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  Input mutate(Input input, const Input& other) {
    for (std::size_t left = 1 + below(kMaxStackedMutations); left > 0; --left) {
      change(input, other);
    }
    if (input.size() > kMaxInputBytes) input.resize(kMaxInputBytes);
    return input;
  }

  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }

 private:
  void change(Input& input, const Input& other) {
    if (input.empty()) {
      input.push_back(static_cast<std::uint8_t>(below(256)));
      return;
    }
    static constexpr std::uint8_t kEdges[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
    const std::size_t at = below(input.size());
    const std::size_t length = 1 + below(std::min<std::size_t>(input.size() - at, 64));
    const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
    const auto stop = place + static_cast<std::ptrdiff_t>(length);
    switch (below(8)) {
      case 0:
        input[at] = static_cast<std::uint8_t>(input[at] ^ (1u << below(8)));
        break;
      case 1:
        input[at] = static_cast<std::uint8_t>(below(256));
        break;
      case 2:
        std::fill(place, stop, kEdges[below(std::size(kEdges))]);
        break;
      case 3:
        input.resize(at);
        break;
      case 4:
        input.erase(place, stop);
        break;
      case 5: {
        const Input block(place, stop);
        input.insert(input.begin() + static_cast<std::ptrdiff_t>(below(input.size())),
                     block.begin(), block.end());
        break;
      }
      case 6:
        input.insert(place, 1 + below(16), static_cast<std::uint8_t>(below(256)));
        break;
      default:  // The head of this input, and the other one from the same place on.
        input.resize(at);
        if (at < other.size()) {
          input.insert(input.end(), other.begin() + static_cast<std::ptrdiff_t>(at), other.end());
        }
    }
  }

  std::mt19937_64 random_;
};

Input read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return Input(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

std::vector<std::filesystem::path> corpus_files(const std::filesystem::path& corpus) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  if (std::filesystem::is_regular_file(corpus, error)) files.push_back(corpus);
  for (const auto& entry : std::filesystem::directory_iterator(corpus, error)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS [MUTATIONS [SEED]]\n", argv[0]);
    return 2;
  }
  const std::size_t mutations = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : kDefaultMutations;
  const std::uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1;
  const std::vector<std::filesystem::path> files = corpus_files(argv[1]);
  if (files.empty()) {
    std::fprintf(stderr, "fuzz: %s holds no file: a fuzzer needs a corpus\n", argv[1]);
    return 1;
  }
  g_crash_path = std::filesystem::path(argv[0]).filename().string() + ".crash";
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(write_current_input);
  }
  std::signal(SIGABRT, on_abort);

  std::vector<Input> corpus;
  for (const auto& file : files) {
    corpus.push_back(read_file(file));
    run(corpus.back());
  }
  Mutator mutator(seed);
  for (std::size_t i = 0; i < mutations; ++i) {
    run(mutator.mutate(corpus[i % corpus.size()], corpus[mutator.below(corpus.size())]));
  }
  std::printf("fuzz: %zu files and %zu mutations, seed %llu\n", corpus.size(), mutations,
              static_cast<unsigned long long>(seed));
  return 0;
}
