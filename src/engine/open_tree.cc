#include "engine/open_tree.h"

#include <utility>

#include "base/strings.h"

namespace kedge {

TreeBody body_of(const Id128& id, const Id128& space, const Tree& tree) {
  TreeBody body;
  body.id = id;
  body.space = space;
  body.padded = tree.padded();
  body.centroids.assign(tree.centroids().begin(), tree.centroids().end());
  body.penalties.assign(tree.penalties().begin(), tree.penalties().end());
  // The last of first_leaf() is the end.
  body.first_leaf.assign(tree.first_leaf().begin(), tree.first_leaf().end() - 1);
  return body;
}

Result<OpenTreePtr> open_tree(const TreeEntry& entry, ByteView file) {
  const auto named = [&](const Error& error) {
    return Error{error.code, str_cat(entry.file_key(), ": ", error.message)};
  };
  Result<TreeBody> body = parse_tree(file, entry.id);
  if (!body.ok()) return named(body.error());
  if (body->space != entry.space || body->leaves() != entry.leaves)
    return named({Code::kCorrupt, "is not the tree that the head names"});
  body->first_leaf.push_back(body->leaves());
  Result<Tree> tree = Tree::from_centroids(body->padded, std::move(body->centroids),
                                           std::move(body->first_leaf), std::move(body->penalties));
  if (!tree.ok()) return named(tree.error());
  return OpenTreePtr(std::make_shared<const OpenTree>(entry, *std::move(tree)));
}

}  // namespace kedge
