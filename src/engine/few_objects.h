// Searches whose scope is a few objects: their rows are looked up and measured on the vectors
// plane, so that a selective filter is answered exactly, and without the codes of every list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/index.h"
#include "engine/page_reader.h"
#include "engine/scan.h"

namespace kedge {

// A look-up costs about three requests of 10 to 50 KB an object, of which some fall together. The
// codes of a million rows are 60 MB: up to here it reads a fraction of that.
inline constexpr std::uint64_t kFewObjects = 256;
// Of these objects together; with more the codes are the cheaper way.
inline constexpr std::size_t kFewChunks = 2048;

// Every row of the objects in scope. Rounds: docs pages; text pages, which say which row a chunk
// has; vectors. nullopt: they have more than kFewChunks chunks.
std::optional<ScanResult> scan_few_objects(PageReader& reader, const Head& head,
                                           std::span<const ScanSegment> segments,
                                           const ExactScan& query, SearchTrace* trace,
                                           Deadline deadline);

// Gives each row its distance on the vectors plane, from memory or in one round. The error, if any,
// of each row; such a row's distance is not changed.
std::vector<std::optional<Error>> measure_rows(PageReader& reader, const Head& head,
                                               std::span<const ScanSegment> segments,
                                               std::span<const float> vector, const Space& space,
                                               std::span<RowHit> rows, SearchTrace* trace,
                                               Deadline deadline);

}  // namespace kedge
