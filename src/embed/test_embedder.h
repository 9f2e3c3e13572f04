// A deterministic embedder for tests and simulations that need no meaning: texts that share words
// are near. Every word is hashed to a fixed pseudo-random direction; a text is the normalised sum
// of its words.
//
// A test can stop the world at a batch: with a gate G, call n (from 0) to embed first reads the
// file G.n to its end, if there is one. A FIFO makes it wait there until a writer opens and closes
// it, and the writer's open returns when the embedder has come that far: nobody has to guess or
// sleep.
//
// Threads: any.
#pragma once

#include <memory>
#include <string>

#include "embed/embedder.h"

namespace kedge {

inline constexpr std::uint32_t kTestEmbedderTokens = 128;  // words an input may have

// kInvalid: dimension is 0 or over kMaxDimension.
Result<std::unique_ptr<Embedder>> make_test_embedder(std::uint32_t dimension,
                                                     std::string gate = "");

}  // namespace kedge
