#include "simd/kernels.h"

#include <cpuid.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "simd/tables.h"

namespace kedge {
namespace {

// Register state that the operating system saves (XCR0): SSE and AVX; opmask and both ZMM halves.
constexpr std::uint64_t kAvxState = 0x06;
constexpr std::uint64_t kAvx512State = 0xE6;

struct Cpu {
  bool avx2 = false;
  bool avx512 = false;
  bool bf16 = false;
};

std::uint64_t saved_state() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
}

// What the CPU has and the operating system saves: without the second, the first use is a fault.
Cpu detect() {
  Cpu cpu;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_OSXSAVE) == 0) return cpu;
  const bool fma_and_f16c = (c & bit_FMA) != 0 && (c & bit_F16C) != 0;
  const std::uint64_t state = saved_state();
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return cpu;
  cpu.avx2 = fma_and_f16c && (b & bit_AVX2) != 0 && (state & kAvxState) == kAvxState;
  constexpr unsigned kAvx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
  cpu.avx512 = cpu.avx2 && (b & kAvx512) == kAvx512 && (c & bit_AVX512VNNI) != 0 &&
               (state & kAvx512State) == kAvx512State;
  constexpr unsigned kAvx512Bf16 = 1U << 5;
  cpu.bf16 = cpu.avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kAvx512Bf16) != 0;
  return cpu;
}

struct Choice {
  const Kernels* table = nullptr;
  bool available = false;
};

// Slowest first.
std::array<Choice, 4> choices() {
  static const Cpu cpu = detect();
  return {{{&kScalarKernels, true},
           {&kAvx2Kernels, cpu.avx2},
           {&kAvx512Kernels, cpu.avx512},
           {&avx512_bf16_kernels(), cpu.bf16}}};
}

const Kernels& choose() {
  const char* wanted = std::getenv("KEDGE_SIMD");
  const Kernels* best = nullptr;
  for (const Choice& choice : choices()) {
    if (wanted == nullptr || *wanted == '\0') {
      if (choice.available) best = choice.table;
    } else if (choice.table->name == wanted) {
      if (choice.available) return *choice.table;
      std::fprintf(stderr, "KEDGE_SIMD=%s: this CPU or its operating system cannot run it\n",
                   wanted);
      std::abort();
    }
  }
  if (best != nullptr) return *best;
  std::fprintf(stderr, "KEDGE_SIMD=%s: no such table (scalar, avx2, avx512, avx512bf16)\n", wanted);
  std::abort();
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> tables;
  for (const Choice& choice : choices()) {
    if (choice.available) tables.push_back(choice.table);
  }
  return tables;
}

std::vector<std::string_view> unavailable_kernels() {
  std::vector<std::string_view> names;
  for (const Choice& choice : choices()) {
    if (!choice.available) names.push_back(choice.table->name);
  }
  return names;
}

}  // namespace kedge
