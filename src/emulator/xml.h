// XML as S3 writes it, and times in the two ways it writes them.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"

namespace kedge::emulator {

// Text that means the same inside an element; control characters become references, as S3 does.
std::string xml_escaped(std::string_view text);

// Appends elements. `name` is never escaped.
class Xml {
 public:
  // Begins a document with S3's namespace.
  explicit Xml(std::string_view root);
  Xml& open(std::string_view name);
  Xml& close(std::string_view name);
  Xml& element(std::string_view name, std::string_view text);
  Xml& number(std::string_view name, std::uint64_t value);
  Xml& flag(std::string_view name, bool value) { return element(name, value ? "true" : "false"); }
  std::string finish() &&;

 private:
  std::string root_;
  std::string out_;
};

std::string http_date(Timestamp time);  // "Wed, 21 Oct 2015 07:28:00 GMT"
std::string xml_time(Timestamp time);   // "2015-10-21T07:28:00.000Z", whole seconds

}  // namespace kedge::emulator
