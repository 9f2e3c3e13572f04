// Files of a store, damaged one way at a time, and put right again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/strings.h"
#include "format/segment.h"
#include "store/memory_store.h"

namespace kedge::test {

inline constexpr int kFlipsASection = 4;

// A part of a file that is damaged by itself.
struct Section {
  std::string name;
  std::size_t offset = 0;
  std::size_t size = 0;
};

// What becomes of some files: other bytes, or nothing.
struct Damage {
  std::string what;
  std::map<std::string, std::optional<Bytes>> files;
};

// With a checksum of what comes before it at the end: whole, as far as that says.
inline void seal(std::span<std::byte> bytes) {
  const std::uint32_t crc = crc32c(bytes.first(bytes.size() - sizeof crc));
  std::memcpy(bytes.data() + bytes.size() - sizeof crc, &crc, sizeof crc);
}

// Every file of a store below a prefix.
class Files {
 public:
  Files(MemoryStore& store, const std::string& prefix) : store_(store) {
    const auto listing = store.list(prefix, "");
    while (true) {
      const auto page = listing->next(Deadline::never()).value();
      if (page.empty()) break;
      for (const ObjectInfo& info : page) whole_[info.key] = read(info.key);
    }
  }

  [[nodiscard]] const std::map<std::string, Bytes>& whole() const { return whole_; }

  void apply(const Damage& damage) {
    for (const auto& [key, bytes] : damage.files) put(key, bytes);
  }
  // As it was, whatever has been written meanwhile.
  void restore(const Damage& damage) {
    for (const auto& [key, bytes] : damage.files) put(key, whole_.at(key));
  }

 private:
  Bytes read(const std::string& key) {
    ReadRequest request;
    request.key = key;
    return read_one(store_, std::move(request), Deadline::never()).value().body;
  }
  void put(const std::string& key, const std::optional<Bytes>& bytes) {
    const std::vector<std::string> keys = {key};
    const bool done = bytes ? put_one(store_, key, *bytes, Deadline::never()).ok()
                            : store_.remove(keys, Deadline::never()).front().ok();
    KEDGE_CHECK(done);
  }

  MemoryStore& store_;
  std::map<std::string, Bytes> whole_;
};

// Damages one file in each way that needs nothing but its bytes. Those that change nothing (zeros
// over zeros) are left out.
inline std::vector<Damage> damages_of(const std::string& key, const Bytes& whole,
                                      const std::vector<Section>& sections, Random& random) {
  std::vector<Damage> out;
  const auto add = [&](const std::string& what, Bytes bytes) {
    if (bytes != whole) out.push_back({str_cat(key, ": ", what), {{key, std::move(bytes)}}});
  };
  const auto cut = [&](std::size_t size) {
    add(str_cat("cut at ", size),
        {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
  };
  for (const Section& section : sections) {
    for (int i = 0; i < kFlipsASection; ++i) {
      const std::size_t at = section.offset + random.below(section.size);
      const auto bit = static_cast<unsigned>(random.below(8));
      Bytes bytes = whole;
      bytes[at] ^= static_cast<std::byte>(1U << bit);
      add(str_cat(section.name, ", bit ", bit, " of byte ", at), std::move(bytes));
    }
    const std::size_t begin = section.offset + random.below(section.size);
    const std::size_t end = std::min(section.offset + section.size, begin + 64);
    Bytes zeros = whole;
    std::fill(zeros.begin() + static_cast<std::ptrdiff_t>(begin),
              zeros.begin() + static_cast<std::ptrdiff_t>(end), std::byte{0});
    add(str_cat(section.name, ", zeros from ", begin), std::move(zeros));
    cut(section.offset + random.below(section.size));
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, whole.size() - 1}) cut(size);
  Bytes longer = whole;
  longer.resize(whole.size() + 8);
  add("eight bytes more", std::move(longer));
  out.push_back({str_cat(key, ": lost"), {{key, std::nullopt}}});
  return out;
}

// Of a whole segment.
inline std::vector<Section> sections_of(const Bytes& file) {
  const ByteView bytes(file);
  const SegmentEntry entry =
      parse_segment_tail(bytes.last(kSegmentTailBytes), bytes.size()).value();
  std::vector<Section> out = {{"header", 0, kSegmentHeaderBytes}};
  const std::pair<Plane, const char*> planes[] = {{Plane::kDocs, "docs page"},
                                                  {Plane::kText, "text page"},
                                                  {Plane::kKeys, "keys page"},
                                                  {Plane::kVectors, "vectors page"},
                                                  {Plane::kCodes, "codes page"},
                                                  {Plane::kRefine, "refine page"},
                                                  {Plane::kAttributes, "attributes page"},
                                                  {Plane::kDirectory, "directory"}};
  for (const auto& [plane, name] : planes) {
    const Extent& extent = entry.planes[static_cast<std::size_t>(plane)];
    if (extent.size > 0) out.push_back({name, extent.offset, extent.size});
  }
  out.push_back({"tail", file.size() - kSegmentTailBytes, kSegmentTailBytes});
  return out;
}

// A page over the one behind it, of each plane that has two of one size.
inline std::vector<Damage> doubled_pages(const std::string& key, const Bytes& file) {
  const ByteView bytes(file);
  const SegmentEntry entry =
      parse_segment_tail(bytes.last(kSegmentTailBytes), bytes.size()).value();
  const Extent& extent = entry.planes[static_cast<std::size_t>(Plane::kDirectory)];
  const SegmentDirectory directory =
      SegmentDirectory::parse(bytes.subspan(extent.offset, extent.size)).value();
  std::vector<Damage> out;
  for (const auto* pages : {&directory.docs, &directory.text, &directory.keys, &directory.vectors,
                            &directory.refine, &directory.attributes}) {
    for (std::size_t p = 1; p < pages->size(); ++p) {
      const PageRef& from = (*pages)[p - 1];
      const PageRef& to = (*pages)[p];
      if (from.size != to.size) continue;
      Bytes copy = file;
      std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(from.offset), from.size,
                  copy.begin() + static_cast<std::ptrdiff_t>(to.offset));
      if (copy == file) continue;
      out.push_back({str_cat(key, ": page at ", from.offset, " again at ", to.offset),
                     {{key, std::move(copy)}}});
      break;
    }
  }
  return out;
}

// At most so many of them, drawn without replacement.
inline std::vector<Damage> some(std::vector<Damage> damages, std::size_t most, Random& random) {
  for (std::size_t i = 0; i < std::min(most, damages.size()); ++i)
    std::swap(damages[i], damages[i + random.below(damages.size() - i)]);
  if (damages.size() > most) damages.resize(most);
  return damages;
}

// Two files, each with the bytes of the other.
inline Damage swapped(const std::string& a, const std::string& b,
                      const std::map<std::string, Bytes>& whole) {
  return {str_cat(a, " and ", b, ": swapped"), {{a, whole.at(b)}, {b, whole.at(a)}}};
}

}  // namespace kedge::test
