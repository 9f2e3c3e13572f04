#include "format/envelope.h"

#include <algorithm>

#include "base/allocation.h"
#include "base/strings.h"

namespace kedge {
namespace {

constexpr std::uint32_t kMagic = 0x3148474B;  // "KGH1"
constexpr std::uint16_t kVersion = 1;
constexpr std::uint32_t kFlagDropped = 1;
constexpr std::size_t kFixedBytes = 112;
constexpr std::size_t kCrcBytes = 4;
constexpr std::size_t kPayloadAlignment = 8;
// The end of year 9999: what lies past it is not a time of a store.
constexpr std::int64_t kMaxMicros = 253'402'300'800'000'000;

Error invalid(std::string message) { return {Code::kInvalid, "head: " + std::move(message)}; }
Error corrupt(std::string message) { return {Code::kCorrupt, "head: " + std::move(message)}; }

bool is_plain_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

bool is_time(Timestamp time) { return time.micros >= 0 && time.micros < kMaxMicros; }

Status validate_ids(const Envelope& e) {
  if (e.generation == 0) return invalid("generation is zero");
  if (e.commit_id.is_zero()) return invalid("commit id is zero");
  if (e.parent_id.is_zero() != (e.generation == 1))
    return invalid("parent id does not fit the generation");
  if (e.retained_from == 0 || e.retained_from > e.generation)
    return invalid("retained_from out of range");
  if (e.recent.empty() || e.recent.size() > kRecentPairs)
    return invalid("number of recent pairs out of range");
  for (std::size_t i = 0; i < e.recent.size(); ++i) {
    const auto& [generation, id] = e.recent[i];
    if (generation == 0 || id.is_zero()) return invalid(str_cat("recent pair ", i, " is zero"));
    if (i > 0 && generation >= e.recent[i - 1].first)
      return invalid(str_cat("recent pair ", i, " does not fall"));
  }
  if (e.recent[0] != std::pair(e.generation, e.commit_id))
    return invalid("the first recent pair is not the head's own");
  if (e.generation > 1 && (e.recent.size() < 2 || e.recent[1].second != e.parent_id))
    return invalid("the second recent pair is not the parent's");
  if (e.recent.size() < kRecentPairs && e.recent.back().first != 1)
    return invalid("recent pairs end too early");
  return {};
}

Status validate_times(const Envelope& e) {
  if (!is_time(e.committed_at)) return invalid("committed_at out of range");
  if (!is_time(e.gc_floor)) return invalid("gc_floor out of range");
  if (e.grace < kMinGrace) return invalid("grace is under two hours");
  if (e.retention < e.grace) return invalid("retention is under grace");
  if (e.retention > kMaxRetention) return invalid("retention is over ten years");
  return {};
}

Status validate_lists(const Envelope& e) {
  if (e.pins.size() > kMaxPins) return invalid("too many pins");
  for (std::size_t i = 0; i < e.pins.size(); ++i) {
    const Pin& pin = e.pins[i];
    if (!is_plain_name(pin.name)) return invalid(str_cat("pin ", i, ": bad name"));
    if (i > 0 && pin.name <= e.pins[i - 1].name) return invalid(str_cat("pin ", i, ": not sorted"));
    if (pin.generation == 0 || pin.generation >= e.generation || pin.commit_id.is_zero())
      return invalid(str_cat("pin ", i, ": holds no earlier generation"));
    if (!is_time(pin.created)) return invalid(str_cat("pin ", i, ": time out of range"));
  }
  if (e.features.size() > kMaxFeatures) return invalid("too many features");
  for (std::size_t i = 0; i < e.features.size(); ++i) {
    if (!is_plain_name(e.features[i])) return invalid(str_cat("feature ", i, ": bad name"));
    if (i > 0 && e.features[i] <= e.features[i - 1])
      return invalid(str_cat("feature ", i, ": not sorted"));
  }
  if (e.files.size() > kMaxFiles) return invalid("too many files");
  if (e.dropped && !e.files.empty()) return invalid("dropped, and names files");
  for (std::size_t i = 0; i < e.files.size(); ++i) {
    if (!is_file_key(e.files[i].key)) return invalid(str_cat("file ", i, ": bad key"));
    if (i > 0 && e.files[i].key <= e.files[i - 1].key)
      return invalid(str_cat("file ", i, ": not sorted"));
    if (e.files[i].size > kMaxFileBytes) return invalid(str_cat("file ", i, ": size out of range"));
  }
  return {};
}

void put_id(ByteWriter& out, const Id128& id) { out.put_bytes(id.bytes); }

Id128 get_id(ByteReader& in) {
  Id128 id;
  const ByteView bytes = in.get_bytes(id.bytes.size());
  std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
  return id;
}

void put_name(ByteWriter& out, std::string_view name) {
  out.put(static_cast<std::uint16_t>(name.size()));
  out.put_bytes(as_bytes(name));
}

std::string get_name(ByteReader& in) {
  const std::size_t size = in.get<std::uint16_t>();
  return std::string(as_text(in.get_bytes(size)));
}

struct Counts {
  std::size_t recent = 0;
  std::size_t pins = 0;
  std::size_t features = 0;
  std::size_t files = 0;
  std::size_t payload_bytes = 0;
};

// Magic, length and checksum have the same place in every version, so that damage is never taken
// for a newer format.
Status check_frame(ByteView bytes) {
  if (bytes.size() < kFixedBytes + kCrcBytes)
    return corrupt(str_cat("too short: ", bytes.size(), " bytes"));
  if (bytes.size() > kMaxHeadBytes) return corrupt(str_cat("too long: ", bytes.size(), " bytes"));
  ByteReader in(bytes);
  if (in.get<std::uint32_t>() != kMagic) return corrupt("bad magic at offset 0");
  const auto version = in.get<std::uint16_t>();
  const auto reserved = in.get<std::uint16_t>();
  if (in.get<std::uint32_t>() != bytes.size()) return corrupt("bad length at offset 8");
  ByteReader tail(bytes.subspan(bytes.size() - kCrcBytes));
  if (tail.get<std::uint32_t>() != crc32c(bytes.first(bytes.size() - kCrcBytes)))
    return corrupt("bad checksum");
  if (version != kVersion)
    return {Code::kUnsupported,
            str_cat("head: format version ", version, "; this build knows ", kVersion)};
  if (reserved != 0) return corrupt("reserved bytes at offset 6");
  return {};
}

Result<Counts> read_fixed(ByteReader& in, Envelope& e) {
  in.get_bytes(12);  // checked by check_frame
  const auto flags = in.get<std::uint32_t>();
  if ((flags & ~kFlagDropped) != 0) return corrupt("unknown flags at offset 12");
  e.dropped = (flags & kFlagDropped) != 0;
  e.commit_id = get_id(in);
  e.parent_id = get_id(in);
  e.generation = in.get<std::uint64_t>();
  e.committed_at = {in.get<std::int64_t>()};
  e.gc_floor = {in.get<std::int64_t>()};
  e.retained_from = in.get<std::uint64_t>();
  e.retention = Duration(in.get<std::int64_t>());
  e.grace = Duration(in.get<std::int64_t>());
  Counts counts;
  counts.recent = in.get<std::uint16_t>();
  counts.pins = in.get<std::uint16_t>();
  counts.features = in.get<std::uint16_t>();
  if (in.get<std::uint16_t>() != 0) return corrupt("reserved bytes at offset 102");
  counts.files = in.get<std::uint32_t>();
  counts.payload_bytes = in.get<std::uint32_t>();
  // Before anything is allocated by them.
  if (counts.recent > kRecentPairs) return corrupt("too many recent pairs at offset 96");
  if (counts.pins > kMaxPins) return corrupt("too many pins at offset 98");
  if (counts.features > kMaxFeatures) return corrupt("too many features at offset 100");
  if (counts.files > kMaxFiles) return corrupt("too many files at offset 104");
  return counts;
}

Status read_lists(ByteReader& in, const Counts& counts, Envelope& e) {
  for (std::size_t i = 0; i < counts.recent && in.ok(); ++i) {
    const auto generation = in.get<std::uint64_t>();
    e.recent.emplace_back(generation, get_id(in));
  }
  for (std::size_t i = 0; i < counts.pins && in.ok(); ++i) {
    Pin pin;
    pin.name = get_name(in);
    pin.generation = in.get<std::uint64_t>();
    pin.commit_id = get_id(in);
    pin.created = {in.get<std::int64_t>()};
    e.pins.push_back(std::move(pin));
  }
  for (std::size_t i = 0; i < counts.features && in.ok(); ++i) e.features.push_back(get_name(in));
  for (std::size_t i = 0; i < counts.files && in.ok(); ++i) {
    FileRef file;
    file.key = get_name(in);
    file.size = in.get<std::uint64_t>();
    e.files.push_back(std::move(file));
  }
  if (!in.ok()) return corrupt(str_cat("lists end past the file, after offset ", in.offset()));
  while (in.ok() && in.offset() % kPayloadAlignment != 0) {
    if (in.get<std::uint8_t>() != 0) return corrupt(str_cat("padding at offset ", in.offset() - 1));
  }
  if (!in.ok() || in.remaining() != counts.payload_bytes + kCrcBytes)
    return corrupt("payload size at offset 108 does not fit the file");
  const ByteView payload = in.get_bytes(counts.payload_bytes);
  e.payload.assign(payload.begin(), payload.end());
  return {};
}

}  // namespace

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes &&
         std::all_of(name.begin(), name.end(), is_plain_character);
}

bool is_file_key(std::string_view key) {
  if (key.empty() || key.size() > kMaxFileKeyBytes || key == "head" || key.starts_with("history/"))
    return false;
  while (true) {
    const std::size_t slash = key.find('/');
    const std::string_view part = key.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (!std::all_of(part.begin(), part.end(), is_plain_character)) return false;
    if (slash == std::string_view::npos) return true;
    key.remove_prefix(slash + 1);
  }
}

Status Envelope::validate() const {
  KEDGE_TRY(validate_ids(*this));
  KEDGE_TRY(validate_times(*this));
  return validate_lists(*this);
}

Bytes Envelope::encode() const {
  ByteWriter out;
  out.put(kMagic);
  out.put(kVersion);
  out.put_zeros(2);
  out.put(std::uint32_t{0});  // the length, known at the end
  out.put(dropped ? kFlagDropped : std::uint32_t{0});
  put_id(out, commit_id);
  put_id(out, parent_id);
  out.put(generation);
  out.put(committed_at.micros);
  out.put(gc_floor.micros);
  out.put(retained_from);
  out.put(std::int64_t{retention.count()});
  out.put(std::int64_t{grace.count()});
  out.put(static_cast<std::uint16_t>(recent.size()));
  out.put(static_cast<std::uint16_t>(pins.size()));
  out.put(static_cast<std::uint16_t>(features.size()));
  out.put_zeros(2);
  out.put(static_cast<std::uint32_t>(files.size()));
  out.put(static_cast<std::uint32_t>(payload.size()));
  for (const auto& [pair_generation, id] : recent) {
    out.put(pair_generation);
    put_id(out, id);
  }
  for (const Pin& pin : pins) {
    put_name(out, pin.name);
    out.put(pin.generation);
    put_id(out, pin.commit_id);
    out.put(pin.created.micros);
  }
  for (const std::string& feature : features) put_name(out, feature);
  for (const FileRef& file : files) {
    put_name(out, file.key);
    out.put(file.size);
  }
  out.align(kPayloadAlignment);
  out.put_bytes(payload);
  out.put_at(8, static_cast<std::uint32_t>(out.size() + kCrcBytes));
  out.put(crc32c(out.view()));
  return std::move(out).take();
}

Result<Envelope> Envelope::parse_any(ByteView bytes) try {
  KEDGE_TRY(check_frame(bytes));
  Envelope e;
  ByteReader in(bytes);
  const Counts counts = KEDGE_TRY(read_fixed(in, e));
  KEDGE_TRY(read_lists(in, counts, e));
  if (const Status valid = e.validate(); !valid.ok())
    return {Code::kCorrupt, valid.error().message};
  return e;
} catch (...) {
  return memory_error("head");
}

Result<Envelope> Envelope::parse(ByteView bytes, std::span<const std::string> known_features) try {
  Envelope e = KEDGE_TRY(parse_any(bytes));
  for (const std::string& feature : e.features) {
    if (std::find(known_features.begin(), known_features.end(), feature) == known_features.end())
      return {Code::kUnsupported,
              str_cat("head: needs the feature '", feature, "', which this build does not know")};
  }
  return e;
} catch (...) {
  return memory_error("head");
}

bool Envelope::retains(std::uint64_t wanted) const {
  if (wanted > generation) return false;
  if (wanted >= retained_from) return true;
  return std::any_of(pins.begin(), pins.end(),
                     [&](const Pin& pin) { return pin.generation == wanted; });
}

}  // namespace kedge
