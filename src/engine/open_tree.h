// A tree as readers and writers hold it: immutable, shared by all generations that name it.
#pragma once

#include <memory>

#include "ann/ranker.h"
#include "ann/tree.h"
#include "format/index_state.h"
#include "format/tree_file.h"

namespace kedge {

struct OpenTree {
  OpenTree(TreeEntry its_entry, Tree its_tree)
      : entry(std::move(its_entry)), tree(std::move(its_tree)), ranker(tree) {}
  TreeEntry entry;
  Tree tree;
  Ranker ranker;
};
using OpenTreePtr = std::shared_ptr<const OpenTree>;

TreeBody body_of(const Id128& id, const Id128& space, const Tree& tree);
// kCorrupt: by the file's name.
Result<OpenTreePtr> open_tree(const TreeEntry& entry, ByteView file);

}  // namespace kedge
