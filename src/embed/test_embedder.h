// A deterministic embedder for tests and simulations that need no meaning: texts that share words
// are near. Every word is hashed to a fixed pseudo-random direction; a text is the normalised sum
// of its words.
//
// Threads: any.
#pragma once

#include <memory>

#include "embed/embedder.h"

namespace kedge {

inline constexpr std::uint32_t kTestEmbedderTokens = 128;  // words an input may have

// kInvalid: dimension is 0 or over kMaxDimension.
Result<std::unique_ptr<Embedder>> make_test_embedder(std::uint32_t dimension);

}  // namespace kedge
