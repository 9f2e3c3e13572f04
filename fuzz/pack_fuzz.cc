// Any bytes as one of the pieces of a pack that a reader fetches, or as the cache state: the first
// byte picks which, the next three the shape, the rest are cut or filled up to the piece's size and
// sealed with its checksum. What is accepted has one encoding, as far as the piece alone can tell.
#include <algorithm>
#include <cstdint>

#include "base/hash.h"
#include "format/pack.h"

namespace {

using kedge::Bytes;
using kedge::ByteView;
using kedge::ByteWriter;
using kedge::Id128;
using kedge::PackShape;

Bytes sealed(ByteView body, std::uint64_t size, std::uint32_t crc = 0) {
  ByteWriter out;
  out.put_bytes(body.first(std::min<std::size_t>(body.size(), size - 4)));
  out.put_zeros(size - 4 - out.size());
  out.put(kedge::crc32c(out.view(), crc));
  return std::move(out).take();
}

Id128 id_at(ByteView body, std::size_t at) {
  Id128 id;
  if (body.size() >= at + id.bytes.size()) {
    const ByteView bytes = body.subspan(at, id.bytes.size());
    std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
  }
  return id;
}

void head(ByteView body, const PackShape& shape) {
  const auto parsed =
      kedge::PackHead::parse(sealed(body, shape.head_bytes()), id_at(body, 16), shape);
  if (!parsed.ok()) return;
  for (std::size_t at = 0; at + 16 <= body.size(); at += 7) {
    const Id128 hash = id_at(body, at);
    (void)parsed->may_contain(hash);
    const auto block = parsed->block_of(hash);
    KEDGE_CHECK(!block || *block < shape.blocks());
  }
}

void block(ByteView body, const PackShape& shape) {
  const std::uint32_t number = shape.blocks() - 1;
  const Bytes bytes = sealed(body, shape.block_bytes(number));
  const auto entries = kedge::parse_pack_block(bytes, shape, number);
  if (!entries.ok()) return;
  ByteWriter again;
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const kedge::PackEntry& entry = (*entries)[i];
    KEDGE_CHECK(entry.row < shape.rows);
    KEDGE_CHECK(i == 0 || (*entries)[i - 1].hash < entry.hash);
    again.put_bytes(entry.hash.bytes);
    again.put(entry.row);
  }
  again.put(kedge::crc32c(again.view()));
  KEDGE_CHECK(std::ranges::equal(again.view(), bytes));
}

void row(ByteView body, const PackShape& shape) {
  const Id128 hash = id_at(body, 0);
  const Bytes bytes = sealed(body, shape.row_bytes(), kedge::crc32c(hash.bytes));
  const auto vector = kedge::parse_pack_row(bytes, shape, hash);
  if (!vector.ok()) return;
  KEDGE_CHECK(std::ranges::all_of(*vector, kedge::is_finite_half));
  KEDGE_CHECK(std::ranges::equal(std::as_bytes(std::span(*vector)),
                                 ByteView(bytes).first(bytes.size() - 4)));
}

void state(ByteView body) {
  const auto parsed = kedge::CacheState::parse(body);
  if (!parsed.ok()) return;
  KEDGE_CHECK(std::ranges::equal(parsed->encode(), body));
  for (const kedge::PackName& pack : parsed->packs)
    KEDGE_CHECK(parsed->shape(pack).total_bytes() > parsed->shape(pack).head_bytes());
}

// A whole pack of distinct hashes: everything that was put is found in what the writer makes.
void round_trip(ByteView body, const PackShape& shape) {
  std::vector<Id128> hashes;
  for (std::uint32_t i = 0; i < shape.rows; ++i) {
    Id128 hash = id_at(body, std::size_t{i} * 3);
    hash.bytes[14] = static_cast<std::byte>(i >> 8);
    hash.bytes[15] = static_cast<std::byte>(i);
    hashes.push_back(hash);
  }
  std::vector<std::uint16_t> vectors(std::size_t{shape.rows} * shape.dimension);
  for (std::size_t i = 0; i < vectors.size() && i < body.size(); ++i)
    vectors[i] = std::to_integer<std::uint16_t>(body[i]);
  const Id128 space = id_at(body, 1);
  const Bytes file = kedge::encode_pack(space, shape.dimension, hashes, vectors);
  const ByteView bytes(file);
  const auto parsed = kedge::PackHead::parse(bytes.first(shape.head_bytes()), space, shape);
  KEDGE_CHECK(parsed.ok());
  for (std::uint32_t i = 0; i < shape.rows; ++i) {
    KEDGE_CHECK(parsed->may_contain(hashes[i]));
    const auto number = parsed->block_of(hashes[i]);
    KEDGE_CHECK(number.has_value());
    const auto entries = kedge::parse_pack_block(
        bytes.subspan(shape.block_offset(*number), shape.block_bytes(*number)), shape, *number);
    KEDGE_CHECK(entries.ok());
    const auto at = std::ranges::find(*entries, hashes[i], &kedge::PackEntry::hash);
    KEDGE_CHECK(at != entries->end() && at->row == i);
    const auto vector = kedge::parse_pack_row(bytes.subspan(shape.row_offset(i), shape.row_bytes()),
                                              shape, hashes[i]);
    KEDGE_CHECK(vector.ok());
    KEDGE_CHECK(std::equal(vector->begin(), vector->end(),
                           vectors.begin() + std::size_t{i} * shape.dimension));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const PackShape shape{1U + data[1] + 256U * (data[2] % 3), 1U + data[3]};
  const ByteView body(reinterpret_cast<const std::byte*>(data) + 4, size - 4);
  switch (data[0] % 5) {
    case 0:
      head(body, shape);
      break;
    case 1:
      block(body, shape);
      break;
    case 2:
      row(body, shape);
      break;
    case 3:
      state(body);
      break;
    default:
      round_trip(body, {1U + shape.rows % 32, 1U + shape.dimension % 8});
  }
  return 0;
}
