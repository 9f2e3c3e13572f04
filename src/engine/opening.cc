#include "engine/opening.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/hash.h"
#include "base/strings.h"
#include "engine/page_reader.h"

namespace kedge {
namespace {

// A whole file that ends with the CRC-32C of every byte before it: then the CRC-32C of all its
// bytes is the same whatever they are.
std::optional<BlockName> sealed_file(const Id128& id, std::uint64_t bytes) {
  constexpr std::uint32_t kSealedCrc = 0x4867'4BC7;
  if (bytes == 0 || bytes > UINT32_MAX) return std::nullopt;
  return BlockName{
      .file = id, .offset = 0, .size_bytes = static_cast<std::uint32_t>(bytes), .crc = kSealedCrc};
}

struct Part {
  BlockName name;
  std::string key;  // of its file
};

// In the order of an opening file.
std::vector<Part> parts_of(const IndexState& state) {
  std::vector<Part> out;
  const auto add = [&](const std::optional<BlockName>& name, std::string key) {
    if (name) out.push_back({*name, std::move(key)});
  };
  for (const SegmentEntry& entry : state.segments) {
    if (entry.directory.empty()) add(directory_block(entry), entry.file_key());
    if (!entry.del_file.is_zero()) add(deletes_block(entry), entry.del_key());
  }
  for (const TreeEntry& entry : state.trees) add(tree_block(entry), entry.file_key());
  std::sort(out.begin(), out.end(), [](const Part& a, const Part& b) {
    return std::tie(a.name.file, a.name.offset) < std::tie(b.name.file, b.name.offset);
  });
  return out;
}

}  // namespace

PageRef directory_page(const SegmentEntry& entry) {
  const Extent& extent = entry.planes[static_cast<std::size_t>(Plane::kDirectory)];
  return {.offset = extent.offset,
          .size = static_cast<std::uint32_t>(extent.size),
          .crc = entry.directory_crc};
}

BlockName directory_block(const SegmentEntry& entry) {
  return block_name(entry.id, directory_page(entry));
}

std::optional<BlockName> deletes_block(const SegmentEntry& entry) {
  return sealed_file(entry.del_file, entry.del_bytes);
}

std::optional<BlockName> tree_block(const TreeEntry& entry) {
  return sealed_file(entry.id, entry.bytes);
}

Opening::Opening(Bytes file) : file_(std::move(file)) {
  auto blocks = parse_opening(file_);
  if (blocks.ok()) blocks_ = *std::move(blocks);
}

std::optional<ByteView> Opening::find(const BlockName& name) const {
  const auto found = std::find_if(blocks_.begin(), blocks_.end(), [&](const OpeningBlock& block) {
    return block.file == name.file && block.offset == name.offset && block.crc == name.crc &&
           block.bytes.size() == name.size_bytes;
  });
  if (found == blocks_.end()) return std::nullopt;
  return found->bytes;
}

bool opening_changed(const IndexState* before, const IndexState& now) {
  const auto known_segment = [&](const SegmentEntry& entry) {
    return before != nullptr && std::any_of(before->segments.begin(), before->segments.end(),
                                            [&](const SegmentEntry& of) {
                                              return of.id == entry.id && of.directory.empty();
                                            });
  };
  const auto known_tree = [&](const TreeEntry& entry) {
    return before != nullptr && std::any_of(before->trees.begin(), before->trees.end(),
                                            [&](const TreeEntry& of) { return of.id == entry.id; });
  };
  return std::any_of(now.segments.begin(), now.segments.end(),
                     [&](const SegmentEntry& entry) {
                       return entry.directory.empty() && !known_segment(entry);
                     }) ||
         !std::all_of(now.trees.begin(), now.trees.end(), known_tree);
}

Status write_opening(HeadLog& log, const IndexState& state, Deadline deadline) {
  std::vector<Part> parts = parts_of(state);
  std::uint64_t bytes = 0;
  for (const Part& part : parts) bytes += part.name.size_bytes;
  if (bytes > kMaxOpeningBytes || parts.size() > kMaxOpeningBlocks) parts.clear();
  std::vector<ReadRequest> requests;
  for (const Part& part : parts) {
    requests.push_back({.key = log.path(part.key),
                        .offset = part.name.offset,
                        .length = part.name.size_bytes,
                        .if_match = {},
                        .version_id = {}});
  }
  const std::vector<Result<Blob>> blobs = log.store().read(requests, deadline);
  std::vector<OpeningBlock> blocks;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (!blobs[p].ok()) return blobs[p].error();
    const BlockName& name = parts[p].name;
    if (blobs[p]->body.size() != name.size_bytes || crc32c(blobs[p]->body) != name.crc)
      return {Code::kCorrupt, str_cat(parts[p].key, ": its checksum does not match")};
    blocks.push_back(
        {.file = name.file, .offset = name.offset, .crc = name.crc, .bytes = blobs[p]->body});
  }
  const Bytes file = encode_opening(blocks);
  KEDGE_TRY(put_one(log.store(), log.path(kOpeningKey), file, deadline));
  return {};
}

BlockName opened_before(const HeadLog& log) {
  const std::string name = str_cat(log.store().describe(), " ", log.path(kOpeningKey));
  const Id128 id = xxh3_128(as_bytes(name));
  return {.file = id, .offset = 0, .size_bytes = sizeof id.bytes, .crc = crc32c(id.bytes)};
}

}  // namespace kedge
