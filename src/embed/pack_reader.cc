#include "embed/pack_reader.h"

#include <algorithm>

#include "base/allocation.h"
#include "base/strings.h"

namespace kedge {

const PackHead* PackReader::head_of(const PackName& pack) const {
  const auto at = heads_.find(pack.id);
  return at == heads_.end() ? nullptr : &at->second;
}

Status PackReader::leave_out(const PackName& pack, const Error& error) {
  if (is_memory_error(error)) return error;
  log_.warning(str_cat("embedding cache: ", printable(prefix_ + pack.key()), ": ", error.message,
                       "; what it held counts as missing"));
  return {};
}

Result<PackReader::Vectors> PackReader::lookup(const CacheState& state,
                                               std::span<const Id128> hashes, Deadline deadline) {
  Vectors found(hashes.size());
  for (std::size_t at = 0; at < hashes.size(); at += kLookupGroup) {
    KEDGE_TRY(load_heads(state, deadline));
    const std::size_t count = std::min(kLookupGroup, hashes.size() - at);
    KEDGE_TRY(load_blocks(state, hashes.subspan(at, count), deadline));
    KEDGE_TRY(
        load_rows(state, hashes.subspan(at, count), std::span(found).subspan(at, count), deadline));
    keep_within_memory();
  }
  return found;
}

Status PackReader::load_heads(const CacheState& state, Deadline deadline) {
  std::vector<const PackName*> wanted;
  std::vector<ReadRequest> requests;
  for (const PackName& pack : state.packs) {
    if (heads_.contains(pack.id) || missing_.contains(pack.id) || damaged_.contains(pack.id))
      continue;
    wanted.push_back(&pack);
    ReadRequest request;
    request.key = prefix_ + pack.key();
    request.length = state.shape(pack).head_bytes();
    requests.push_back(std::move(request));
  }
  if (wanted.empty()) return {};
  const auto blobs = store_.read(requests, deadline);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const PackName& pack = *wanted[i];
    if (!blobs[i].ok()) {
      if (blobs[i].code() == Code::kNotFound) {
        missing_.insert(pack.id);
        continue;
      }
      if (blobs[i].code() != Code::kInvalid) return blobs[i].error();
      KEDGE_TRY(leave_out(pack, blobs[i].error()));  // an empty file
      damaged_.insert(pack.id);
      continue;
    }
    auto head = PackHead::parse(blobs[i]->body, state.space, state.shape(pack));
    if (!head.ok()) {
      KEDGE_TRY(leave_out(pack, head.error()));
      damaged_.insert(pack.id);
      continue;
    }
    head_bytes_ += head->memory_bytes();
    heads_.emplace(pack.id, *std::move(head));
  }
  return {};
}

template <typename Use>
Status PackReader::read_pieces(const CacheState& state, std::vector<Piece>& pieces,
                               Deadline deadline, Use use) {
  std::sort(pieces.begin(), pieces.end());
  pieces.erase(std::unique(pieces.begin(), pieces.end()), pieces.end());
  std::vector<ReadRequest> requests;
  std::vector<std::size_t> request_of(pieces.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    const bool same_pack = i > 0 && pieces[i - 1].pack == piece.pack;
    if (same_pack) {
      ReadRequest& last = requests.back();
      const std::uint64_t joined = piece.offset + piece.size - last.offset;
      const std::uint64_t end = last.offset + *last.length;
      if (piece.offset <= end + kMaxPackGap && joined <= kMaxJoinedBytes) {
        last.length = joined;
        request_of[i] = requests.size() - 1;
        continue;
      }
    }
    ReadRequest request;
    request.key = prefix_ + state.packs[piece.pack].key();
    request.offset = piece.offset;
    request.length = piece.size;
    requests.push_back(std::move(request));
    request_of[i] = requests.size() - 1;
  }
  if (requests.empty()) return {};
  const auto blobs = store_.read(requests, deadline);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto& blob = blobs[request_of[i]];
    if (!blob.ok() && blob.code() == Code::kNotFound) {
      missing_.insert(state.packs[pieces[i].pack].id);
      continue;
    }
    if (!blob.ok() && blob.code() != Code::kInvalid) return blob.error();
    ByteView bytes;  // kInvalid: the file ends before the range
    if (blob.ok()) {
      const std::uint64_t from = pieces[i].offset - requests[request_of[i]].offset;
      const ByteView body = blob->body;
      if (from < body.size())
        bytes = body.subspan(from, std::min<std::uint64_t>(pieces[i].size, body.size() - from));
    }
    KEDGE_TRY(use(pieces[i], bytes));
  }
  return {};
}

Status PackReader::load_blocks(const CacheState& state, std::span<const Id128> hashes,
                               Deadline deadline) {
  std::vector<Piece> pieces;
  for (std::size_t p = 0; p < state.packs.size(); ++p) {
    const PackName& pack = state.packs[p];
    const PackHead* head = head_of(pack);
    if (head == nullptr) continue;
    for (const Id128& hash : hashes) {
      if (!head->may_contain(hash)) continue;
      const auto block = head->block_of(hash);
      if (!block || blocks_.contains({pack.id, *block})) continue;
      pieces.push_back({.pack = p,
                        .number = *block,
                        .offset = head->shape().block_offset(*block),
                        .size = head->shape().block_bytes(*block)});
    }
  }
  return read_pieces(state, pieces, deadline, [&](const Piece& piece, ByteView bytes) -> Status {
    const PackName& pack = state.packs[piece.pack];
    auto entries = parse_pack_block(bytes, state.shape(pack), piece.number);
    // A damaged block is kept as an empty one, so that it is reported once.
    if (!entries.ok()) KEDGE_TRY(leave_out(pack, entries.error()));
    block_bytes_ += piece.size;
    blocks_[{pack.id, piece.number}] =
        entries.ok() ? *std::move(entries) : std::vector<PackEntry>{};
    return {};
  });
}

std::optional<PackReader::Place> PackReader::find(const CacheState& state,
                                                  const Id128& hash) const {
  for (std::size_t p = state.packs.size(); p-- > 0;) {
    const PackHead* head = head_of(state.packs[p]);
    if (head == nullptr || !head->may_contain(hash)) continue;
    const auto block = head->block_of(hash);
    if (!block) continue;
    const auto entries = blocks_.find({state.packs[p].id, *block});
    if (entries == blocks_.end()) continue;
    const auto at = std::lower_bound(
        entries->second.begin(), entries->second.end(), hash,
        [](const PackEntry& entry, const Id128& wanted) { return entry.hash < wanted; });
    if (at != entries->second.end() && at->hash == hash) return Place{p, at->row};
  }
  return {};
}

Status PackReader::load_rows(const CacheState& state, std::span<const Id128> hashes,
                             std::span<std::optional<std::vector<std::uint16_t>>> out,
                             Deadline deadline) {
  std::vector<Piece> pieces;
  std::map<std::pair<std::size_t, std::uint32_t>, std::vector<std::size_t>> wanted_by;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    const auto place = find(state, hashes[i]);
    if (!place) continue;
    const PackShape shape = state.shape(state.packs[place->pack]);
    pieces.push_back({.pack = place->pack,
                      .number = place->row,
                      .offset = shape.row_offset(place->row),
                      .size = shape.row_bytes()});
    wanted_by[{place->pack, place->row}].push_back(i);
  }
  return read_pieces(state, pieces, deadline, [&](const Piece& piece, ByteView bytes) -> Status {
    const PackName& pack = state.packs[piece.pack];
    for (const std::size_t i : wanted_by[{piece.pack, piece.number}]) {
      auto vector = parse_pack_row(bytes, state.shape(pack), hashes[i]);
      if (vector.ok()) {
        out[i] = *std::move(vector);
      } else {
        KEDGE_TRY(leave_out(pack, vector.error()));
      }
    }
    return {};
  });
}

Status PackReader::read_whole(const CacheState& state, const PackName& pack, const TakeRow& take,
                              Deadline deadline) {
  ReadRequest request;
  request.key = prefix_ + pack.key();
  auto blob = read_one(store_, std::move(request), deadline);
  if (!blob.ok()) return blob.error();
  const PackShape shape = state.shape(pack);
  const ByteView body = blob->body;
  if (body.size() != shape.total_bytes()) {
    KEDGE_TRY(leave_out(
        pack, {Code::kCorrupt, str_cat("has ", body.size(), " bytes, not ", shape.total_bytes())}));
    return {};
  }
  const auto head = PackHead::parse(body.first(shape.head_bytes()), state.space, shape);
  if (!head.ok()) {
    KEDGE_TRY(leave_out(pack, head.error()));
    return {};
  }
  std::vector<PackEntry> entries;
  for (std::uint32_t block = 0; block < shape.blocks(); ++block) {
    const auto part = parse_pack_block(
        body.subspan(shape.block_offset(block), shape.block_bytes(block)), shape, block);
    if (!part.ok()) {
      KEDGE_TRY(leave_out(pack, part.error()));
      continue;
    }
    entries.insert(entries.end(), part->begin(), part->end());
  }
  std::sort(entries.begin(), entries.end(),
            [](const PackEntry& a, const PackEntry& b) { return a.row < b.row; });
  for (const PackEntry& entry : entries) {
    const auto vector = parse_pack_row(body.subspan(shape.row_offset(entry.row), shape.row_bytes()),
                                       shape, entry.hash);
    if (!vector.ok()) {
      KEDGE_TRY(leave_out(pack, vector.error()));
      continue;
    }
    take(entry.hash, *vector);
  }
  return {};
}

// Blocks go first: filters save more requests a byte.
void PackReader::keep_within_memory() {
  if (head_bytes_ + block_bytes_ <= memory_bytes_) return;
  blocks_.clear();
  block_bytes_ = 0;
  if (head_bytes_ <= memory_bytes_) return;
  heads_.clear();
  head_bytes_ = 0;
}

}  // namespace kedge
