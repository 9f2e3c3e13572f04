// Random numbers as an argument: the system's for identifiers, seeded ones for tests and
// simulations.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace kedge {

// Threads: SystemRandom any; SeededRandom one at a time.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;

  // Uniform in [0, bound). Precondition: bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  // Of mean 0 and deviation 1 (Box and Muller 1958): two numbers a call.
  double normal();
};

// From the operating system; unpredictable.
Random& system_random();

// xoshiro256** (Blackman and Vigna 2018), state filled from the seed by splitmix64.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed);
  std::uint64_t next() override;

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace kedge
