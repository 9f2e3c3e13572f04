// Snippets: the text of a result, read from the object itself by its recorded version. So what is
// shown is at once the proof that the reference is true and that the caller may read it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/session.h"
#include "engine/index.h"
#include "kedge/search.h"

namespace kedge {

// The sentence of `text` that shares most with the question, as a byte range; {0, 0} for an empty
// text. Words are compared by their first letters, so that "leave" finds "leaves"; rare words of
// the question weigh more.
std::pair<std::size_t, std::size_t> best_sentence(std::string_view text, std::string_view question);

// Fills proof, snippet, best_sentence and raw of every hit: all sources in parallel, one round.
// Never fails: what could not be read says so in its proof.
void add_snippets(Session& session, const SnapshotPtr& snapshot, const std::vector<Hit>& hits,
                  const ResultOptions& options, std::string_view question,
                  std::vector<SearchHit>& out);

}  // namespace kedge
