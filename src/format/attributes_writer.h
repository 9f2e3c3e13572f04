// Packs entries, in the order of their keys, into pages.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/attributes.h"

namespace kedge {

class AttributesPageWriter {
 public:
  void add(const AttributeEntry& entry);
  void end_page();
  [[nodiscard]] AttributesBuilder::Plane take() && {
    end_page();
    return {std::move(pages_), std::move(first_keys_)};
  }

 private:
  ByteWriter out_;
  std::uint32_t count_ = 0;
  std::string last_key_;
  std::vector<Bytes> pages_;
  std::vector<std::string> first_keys_;
};

}  // namespace kedge
