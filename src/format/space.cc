#include "format/space.h"

#include "base/allocation.h"
#include "base/strings.h"

namespace kedge {

void Space::encode(ByteWriter& out) const {
  for (const std::string* text : {&provider, &model, &revision, &pooling, &query_prefix,
                                  &document_prefix, &modality, &precision}) {
    out.put_string(*text);
  }
  out.put(dimension);
  out.put(static_cast<std::uint8_t>(metric));
  out.put(static_cast<std::uint8_t>(normalised ? 1 : 0));
  out.put(std::uint16_t{0});
  out.put(max_tokens);
  out.put(rotation_seed);
}

Result<Space> Space::parse(ByteReader& in) try {
  Space space;
  for (std::string* text :
       {&space.provider, &space.model, &space.revision, &space.pooling, &space.query_prefix,
        &space.document_prefix, &space.modality, &space.precision}) {
    *text = in.get_string(kMaxSpaceString);
  }
  space.dimension = in.get<std::uint32_t>();
  const auto metric = in.get<std::uint8_t>();
  const auto normalised = in.get<std::uint8_t>();
  const auto zero = in.get<std::uint16_t>();
  space.max_tokens = in.get<std::uint32_t>();
  space.rotation_seed = in.get<std::uint64_t>();
  if (!in.ok())
    return {Code::kCorrupt, str_cat("space: cut short or a name over ", kMaxSpaceString, " bytes")};
  if (space.dimension == 0 || space.dimension > kMaxDimension)
    return {Code::kCorrupt, "space: bad dimension"};
  if (metric < 1 || metric > 3) return {Code::kCorrupt, "space: unknown metric"};
  if (normalised > 1) return {Code::kCorrupt, "space: bad normalised flag"};
  if (zero != 0) return {Code::kCorrupt, "space: reserved bytes are not zero"};
  space.metric = static_cast<Metric>(metric);
  space.normalised = normalised == 1;
  return space;
} catch (...) {
  return memory_error("space");
}

Id128 Space::id() const {
  ByteWriter out;
  encode(out);
  return sha256_128(out.view());
}

std::string Space::describe() const {
  return str_cat(provider, model.empty() ? "" : "/", model, ", ", dimension, " dimensions");
}

}  // namespace kedge
