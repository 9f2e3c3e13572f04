// Where each live row of a rebuild goes. Rows come in the order of the inputs and are handed out
// list by list; past a limit of memory they wait in scratch in between, which is read once for each
// part of the lists that memory has room for.
//
// Threads: one, which uses the executor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/executor.h"
#include "engine/scratch.h"

namespace kedge {

struct Place {
  std::uint32_t list = 0;
  std::uint32_t object = 0;  // new number
  std::uint32_t order = 0;   // of an object's rows in one list: by chunk
  std::uint32_t row = 0;     // of the input
  std::uint32_t input = 0;
};

class Places {
 public:
  // Holds `memory_bytes`, or one list where that is more; `folder` as Scratch has it.
  Places(std::uint64_t memory_bytes, std::string folder);

  // Before the first: of how many lists, and about how many rows there will be.
  void start(std::size_t lists, std::size_t rows);
  // As Scratch::write().
  Status add(const Place& place);
  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] const std::vector<std::uint32_t>& rows_of_list() const { return rows_of_list_; }
  // Behind the last: the rows of the next lists in order of list, of object, and of `order`. Valid
  // until the next call; empty where no list is left.
  Result<std::span<const Place>> next(Executor& executor);

 private:
  Status move_out();
  Status read_back(std::size_t first, std::size_t end);
  void sort(std::size_t first, std::size_t end, Executor& executor);

  std::size_t most_;  // rows in memory
  Scratch scratch_;
  std::size_t moved_ = 0;  // rows in scratch
  std::size_t rows_ = 0;
  std::vector<std::uint32_t> rows_of_list_;
  std::vector<Place> held_;
  std::size_t next_list_ = 0;
};

}  // namespace kedge
