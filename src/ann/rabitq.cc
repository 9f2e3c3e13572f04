#include "ann/rabitq.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

namespace kedge {
namespace {

constexpr double kLargestHalf = 65504;
// Relative: half of an f16's last place. Below it the rounding of `rescale` is a small part of the
// error of the code itself.
constexpr double kHalfRounding = 0x1.0p-11;
// Steps of the magnitudes, in standard deviations of r, that are tried: the best uniform quantiser
// of a normal distribution with 32 levels has 0.188; rotated residuals are close to normal. Against
// 0.19 alone the best of these takes 4 % off the error at 384 dimensions; 3 more would take 0.3 %.
constexpr float kSteps[] = {0.150F, 0.161F, 0.172F, 0.183F, 0.195F, 0.209F};
// Rounding errors of the table's entries are uniform: this many standard deviations of their sum.
constexpr float kTableDeviations = 3;

float finite(double value) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(value, -kLargest, kLargest));
}

// Eight bytes of 0 or 1 to eight bits, first byte lowest.
std::byte pack_byte(const std::uint8_t* flags) {
  std::uint64_t eight = 0;
  std::memcpy(&eight, flags, sizeof eight);
  return static_cast<std::byte>((eight * 0x0102'0408'1020'4080U) >> 56);
}

// Precondition: 0 <= value <= kLargestHalf.
std::uint16_t half_up(const Kernels& simd, double value) {
  auto wanted = static_cast<float>(value);
  std::uint16_t half = 0;
  float got = 0;
  simd.f32_to_f16(&wanted, &half, 1);
  simd.f16_to_f32(&half, &got, 1);
  return got < value ? static_cast<std::uint16_t>(half + 1) : half;
}

}  // namespace

RowEncoder::RowEncoder(std::uint32_t padded, Metric metric)
    : simd_(kernels()),
      padded_(padded),
      share_(metric == Metric::kDot ? 0.5 : 1.0),
      residual_(padded),
      unit_(padded),
      signs_(padded),
      magnitudes_(padded),
      best_magnitudes_(padded) {}

RowEncoder::Code RowEncoder::sign_code(const float* centroid, EncodedRow& out) {
  float* unit = unit_.data();
  std::uint8_t* signs = signs_.data();
  const float* residual = residual_.data();
  for (std::size_t i = 0; i < padded_; ++i) unit[i] = residual[i] >= 0 ? 0.5F : -0.5F;
  for (std::size_t i = 0; i < padded_; ++i) signs[i] = unit[i] > 0 ? 1 : 0;
  for (std::size_t i = 0; i < padded_ / 8; ++i) out.bits[i] = pack_byte(signs + 8 * i);
  return {.product = simd_.dot_f32(residual, unit, padded_),
          .norm2 = padded_ / 4.0,
          .centre = simd_.dot_f32(centroid, unit, padded_)};
}

RowEncoder::Code RowEncoder::full_code(const float* centroid, double norm2, EncodedRow& out) {
  const double deviation = std::sqrt(norm2 / padded_);
  Code best = {};
  double best_cosine2 = -1;
  const auto is_better = [&](std::size_t step) {
    float product = 0;
    float code_norm2 = 0;
    simd_.quantize(residual_.data(), padded_, finite(1 / (kSteps[step] * deviation)),
                   magnitudes_.data(), &product, &code_norm2);
    const double cosine2 = double{product} * product / code_norm2;
    if (cosine2 <= best_cosine2) return false;
    best_cosine2 = cosine2;
    best = {.product = product, .norm2 = code_norm2, .centre = 0};
    std::swap(magnitudes_, best_magnitudes_);
    return true;
  };
  // From the middle to the side on which it gets better, for as long as it does.
  constexpr std::size_t kMiddle = std::size(kSteps) / 2;
  is_better(kMiddle - 1);
  if (is_better(kMiddle)) {
    for (std::size_t step = kMiddle + 1; step < std::size(kSteps) && is_better(step);) ++step;
  } else {
    for (std::size_t step = kMiddle - 1; step > 0 && is_better(step - 1);) --step;
  }
  const std::uint8_t* magnitudes = best_magnitudes_.data();
  const std::uint8_t* signs = signs_.data();
  float* unit = unit_.data();
  // unit has the sign already.
  for (std::size_t i = 0; i < padded_; ++i) {
    unit[i] *= static_cast<float>(2 * magnitudes[i] + 1);
  }
  best.centre = simd_.dot_f32(centroid, unit, padded_);
  auto* extra = reinterpret_cast<std::uint8_t*>(out.extra.data());
  for (std::size_t chunk = 0; chunk < padded_; chunk += 64) {
    for (std::size_t j = chunk; j < chunk + 32; ++j) {
      // Negative: the low bits of 15 - m, which are those of m inverted.
      const auto low = static_cast<unsigned>(magnitudes[j] ^ (signs[j] != 0 ? 0 : 15));
      const auto high = static_cast<unsigned>(magnitudes[j + 32] ^ (signs[j + 32] != 0 ? 0 : 15));
      extra[chunk / 2 + (j - chunk)] = static_cast<std::uint8_t>(low | high << 4);
    }
  }
  return best;
}

// One standard deviation of the estimate at |q - c| = 1.
double RowEncoder::deviation(double norm2, const Code& code) const {
  const double cosine2 = std::min(1.0, code.product * code.product / (norm2 * code.norm2));
  return 2 * share_ * std::sqrt(norm2 * (1 - cosine2) / (cosine2 * (padded_ - 1.0)));
}

bool RowEncoder::encode(const float* row, const float* centroid, EncodedRow& out) {
  out.bits.resize(padded_ / 8);
  out.extra.resize(padded_ / 2);
  float* residual = residual_.data();
  for (std::size_t i = 0; i < padded_; ++i) residual[i] = row[i] - centroid[i];
  const double norm2 = simd_.dot_f32(residual, residual, padded_);
  const Code sign = sign_code(centroid, out);
  if (!(norm2 >= std::numeric_limits<float>::min()) || !(sign.product > 0)) {
    std::fill(out.extra.begin(), out.extra.end(), std::byte{0});
    out.add = out.refine_add = out.refine_rescale = out.refine_error = 0;
    out.rescale = out.error = 0;
    return true;
  }
  const double base = share_ == 1.0 ? norm2 : -double{simd_.dot_f32(residual, centroid, padded_)};

  const double exact = -2 * share_ * norm2 / sign.product;
  const auto bounded = static_cast<float>(std::max(exact, -kLargestHalf));
  float rescale = 0;
  simd_.f32_to_f16(&bounded, &out.rescale, 1);
  simd_.f16_to_f32(&out.rescale, &rescale, 1);
  out.add = finite(base - rescale * sign.centre);
  // Of tiny and of huge residuals the f16 is far from the exact value; <q - c, r> is at most the
  // product of the lengths.
  const double lost = std::max(0.0, std::abs(rescale / exact - 1) - kHalfRounding);
  const double error = deviation(norm2, sign) + 2 * share_ * std::sqrt(norm2) * lost;
  out.error = half_up(simd_, std::min(error, kLargestHalf));

  const Code full = full_code(centroid, norm2, out);
  out.refine_rescale = finite(-2 * share_ * norm2 / full.product);
  out.refine_add = finite(base - out.refine_rescale * full.centre);
  out.refine_error = finite(deviation(norm2, full));
  return error <= kLargestHalf;
}

QueryCodes::QueryCodes(const Rotation& rotation, Metric metric)
    : simd_(kernels()),
      rotation_(rotation),
      metric_(metric),
      padded_(rotation.padded()),
      rotated_(padded_),
      table_(padded_ / 4 * 16),
      small_(padded_) {}

void QueryCodes::set(const float* query) {
  rotation_.apply(query, rotated_.data());
  const float* rotated = rotated_.data();
  float lanes[16] = {};
  for (std::size_t i = 0; i < padded_; i += 16) {
    for (std::size_t j = 0; j < 16; ++j) lanes[j] += rotated[i + j];
  }
  sum_ = 0;
  for (const float lane : lanes) sum_ += lane;

  const std::size_t groups = padded_ / 4;
  simd_.make_table(rotated, groups, table_.data(), &scale_, &bias_);
  bias_ -= sum_ / 2;
  table_error_ = kTableDeviations * scale_ * std::sqrt(static_cast<float>(groups) / 12);

  const SmallScale small = to_int8(rotated, padded_, small_.data());
  small_scale_ = small.scale;
  if (small.scale == 0) table_error_ = 0;  // of a zero query the table is exact, and scale_ is 1
  // <q, u> at 5 bits = 16 (<q, bits> - sum / 2) + <q, extra - 7.5>, and the second is taken from
  // the int8 query alone, so that its rounding is not multiplied by the mean of the codes.
  refine_bias_ = -7.5F * small.scale * static_cast<float>(small.sum);
}

float QueryCodes::list_add(const std::uint16_t* centroid_f16, float* distance) const {
  const float squared = simd_.l2_f16(rotated(), centroid_f16, padded_);
  *distance = std::sqrt(squared);
  return metric_ == Metric::kDot ? -simd_.dot_f16(rotated(), centroid_f16, padded_) : squared;
}

ScanQuery QueryCodes::for_list(float add, float distance_to_centroid, float factor) const {
  return {.table = table_.data(),
          .groups = padded_ / 4,
          .scale = scale_,
          .bias = bias_,
          .add = add,
          .error = factor * distance_to_centroid,
          .table_error = table_error_};
}

float QueryCodes::refine(float dot1, const std::byte* extra, float refine_add, float refine_rescale,
                         float add) const {
  const auto codes = static_cast<float>(simd_.dot_u4_i8(extra, small_.data(), padded_));
  const float product = 16 * dot1 + (small_scale_ * codes + refine_bias_);
  return refine_add + add + refine_rescale * product;
}

SmallScale to_int8(const float* in, std::size_t count, std::int8_t* out) {
  float largest = 0;
  for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(in[i]));
  if (!(largest >= std::numeric_limits<float>::min())) {
    std::memset(out, 0, count);
    return {.scale = 0, .sum = 0};
  }
  const float inverse = 127 / largest;
  // Adding this leaves the rounded integer in the low bits, which vectorises on any CPU.
  constexpr float kRound = 0x1.8p23F;
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::int32_t>(in[i] * inverse + kRound);
    const std::int32_t value = bits - std::bit_cast<std::int32_t>(kRound);
    out[i] = static_cast<std::int8_t>(value);
    sum += value;
  }
  return {.scale = largest / 127, .sum = sum};
}

}  // namespace kedge
