#include "store/disk_cache.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/strings.h"

namespace kedge {
namespace {

std::string hex_of(std::uint64_t value) {
  std::array<std::byte, 8> bytes{};
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(value >> (56 - 8 * i));
  std::string out = to_hex(bytes);
  out.erase(0, std::min(out.find_first_not_of('0'), out.size() - 1));
  return out;
}

// Blocks of one file spread over all folders: file ids are random, offsets are mixed in.
std::string file_name(const BlockName& name) {
  std::uint64_t word = 0;
  std::memcpy(&word, name.file.bytes.data(), sizeof word);
  word = (word ^ name.offset) * 0x9E3779B97F4A7C15ULL;
  const std::array<std::byte, 1> shard{static_cast<std::byte>(word >> 56)};
  return str_cat(to_hex(shard), "/", name.file.hex(), "-", hex_of(name.offset), "-",
                 hex_of(name.size_bytes), "-", hex_of(name.crc));
}

}  // namespace

std::vector<std::optional<Bytes>> DiskCache::find(std::span<const BlockName> names) {
  std::vector<std::optional<Bytes>> out(names.size());
  const Timestamp now = clock_.now();
  executor_.parallel_for(names.size(), [&](std::size_t i) {
    const std::string name = file_name(names[i]);
    Result<Bytes> body = files_->read(name, names[i].size_bytes, now);
    const bool damaged = body.ok() ? crc32c(*body) != names[i].crc : body.code() == Code::kCorrupt;
    if (damaged) {
      ++damaged_;
      log_.info(str_cat("disk cache: ", name, " is damaged, and removed"));
      (void)files_->remove(name);
    }
    if (damaged || !body.ok()) {
      ++misses_;
      return;
    }
    ++hits_;
    hit_bytes_ += body->size();
    out[i] = *std::move(body);
  });
  return out;
}

std::vector<bool> DiskCache::contains(std::span<const BlockName> names) {
  // Of bytes, not bits: each is written by a thread of its own.
  std::vector<std::uint8_t> found(names.size());
  const Timestamp now = clock_.now();
  executor_.parallel_for(names.size(), [&](std::size_t i) {
    found[i] = files_->contains(file_name(names[i]), names[i].size_bytes, now) ? 1 : 0;
  });
  return {found.begin(), found.end()};
}

void DiskCache::insert(std::span<const BlockEntry> entries, MakeRoom room) {
  const std::uint64_t most = max_units_ / kDiskShare;
  for (std::size_t begin = 0; begin < entries.size();) {
    const std::int64_t now = clock_.monotonic().count();
    if (now < retry_at_micros_ || (room == MakeRoom::kIdle && now < scans_at_micros_)) return;
    std::uint64_t units = 0;
    std::size_t end = begin;
    for (; end < entries.size(); ++end) {
      const std::uint64_t more = units_of(entries[end].body.size());
      if (units + more > most) break;
      units += more;
    }
    if (end == begin) {
      ++begin;  // too large to keep
      continue;
    }
    if (reserve(units, room)) write(entries.subspan(begin, end - begin));
    begin = end;
  }
}

Result<std::uint64_t> DiskCache::count(std::uint64_t units) {
  Result<std::uint64_t> used = files_->add_used(static_cast<std::int64_t>(units));
  if (used.ok() || used.code() != Code::kNotFound) return used;
  std::uint64_t there = 0;
  for (const BlockFile& file : KEDGE_TRY(files_->list(clock_.now())))
    there += units_of(file.size_bytes);
  KEDGE_TRY(files_->begin_used(there));
  return files_->add_used(static_cast<std::int64_t>(units));
}

bool DiskCache::reserve(std::uint64_t units, MakeRoom room) {
  const Result<std::uint64_t> used = count(units);
  if (!used.ok()) {
    give_up(used.error());
    return false;
  }
  if (*used <= max_units_) return true;
  // While another thread makes room, this is not kept: waiting for it would cost more.
  if (!evicting_.exchange(true)) {
    const Result<bool> fits = evict(units, room);
    evicting_ = false;
    if (!fits.ok()) {
      give_up(fits.error());
    } else if (*fits) {
      return true;
    } else {
      scans_at_micros_ = (clock_.monotonic() + kDiskRetry).count();
    }
  }
  (void)files_->add_used(-static_cast<std::int64_t>(units));
  return false;
}

Result<bool> DiskCache::evict(std::uint64_t pending, MakeRoom room) {
  const std::uint64_t counted = KEDGE_TRY(files_->add_used(0));
  const Timestamp now = clock_.now();
  std::vector<BlockFile> files = KEDGE_TRY(files_->list(now));
  std::uint64_t units = pending;
  for (const BlockFile& file : files) units += units_of(file.size_bytes);
  if (units > max_units_) {
    std::sort(files.begin(), files.end(),
              [](const BlockFile& a, const BlockFile& b) { return a.used < b.used; });
    for (const BlockFile& file : files) {
      const bool spared = room == MakeRoom::kIdle && now - file.used < kDiskIdle;
      if (units <= low_units() || spared) break;
      KEDGE_TRY(files_->remove(file.name));
      units -= units_of(file.size_bytes);
      ++evicted_;
    }
  }
  // By the difference: what others counted meanwhile stays counted.
  const auto correction = static_cast<std::int64_t>(units) - static_cast<std::int64_t>(counted);
  KEDGE_TRY(files_->add_used(correction));
  return units <= max_units_;
}

void DiskCache::write(std::span<const BlockEntry> entries) {
  const Timestamp now = clock_.now();
  executor_.parallel_for(entries.size(), [&](std::size_t i) {
    if (clock_.monotonic().count() < retry_at_micros_) return;
    const Status done = files_->write(file_name(entries[i].name), entries[i].body, now);
    if (!done.ok()) return give_up(done.error());
    ++written_;
    written_bytes_ += entries[i].body.size();
  });
}

void DiskCache::give_up(const Error& error) {
  retry_at_micros_ = (clock_.monotonic() + kDiskRetry).count();
  if (warned_.exchange(true)) return;
  log_.warning(str_cat("the disk cache cannot be written to, so what is read is not kept there: ",
                       error.message));
}

DiskCacheCounts DiskCache::counts() const {
  return {.hits = hits_,
          .hit_bytes = hit_bytes_,
          .misses = misses_,
          .damaged = damaged_,
          .written = written_,
          .written_bytes = written_bytes_,
          .evicted = evicted_};
}

}  // namespace kedge
