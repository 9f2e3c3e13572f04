// An Embedder that computes on this machine: WordPiece in front of a TextModel.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.h"
#include "embed/embedder.h"
#include "embed/text_model.h"
#include "embed/wordpiece.h"

namespace kedge {

struct LocalEmbedderOptions {
  Space space;  // dimension, prefixes and max_tokens are used
  // Opens the model: called at most once until it succeeds, by the first text to embed, so that
  // counting tokens and comparing spaces cost no weights.
  std::function<Result<std::unique_ptr<TextModel>>()> open;
  // Tokens of one batch, padding included; one longer text is a batch of its own. What is in
  // flight, and so memory, follows from it: about 25 KiB a token and core at 384 dimensions.
  std::size_t batch_tokens = 1024;
};

// Texts tokenized at a time: bounds the memory of a call with many texts.
inline constexpr std::size_t kEmbedWindow = 1024;

// Rows of a batch are padded to its longest. A new batch begins where the padding would pass this:
// starting a batch costs about as much as so many tokens.
inline constexpr std::size_t kMaxBatchPadding = 32;

// A batch's columns are a multiple of this, or max_tokens: a runtime keeps something for each shape
// that it has seen (measured: 29 MB less after 1,500 texts, and no time lost).
inline constexpr std::size_t kColumnStep = 8;

// `clock` must outlive the embedder; only usage().seconds is taken from it.
std::unique_ptr<Embedder> make_local_embedder(WordPiece tokenizer, LocalEmbedderOptions options,
                                              Clock& clock);

}  // namespace kedge
