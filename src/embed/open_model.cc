#include "embed/open_model.h"

#include <charconv>

#include "base/strings.h"
#include "embed/local_embedder.h"
#include "embed/test_embedder.h"

namespace kedge {

Result<std::unique_ptr<Embedder>> open_model(const std::string& name, const ModelOptions& options) {
  constexpr std::string_view kTest = "test:";
  if (!name.starts_with(kTest)) return open_local_embedder(name, options.threads);
  std::uint32_t dimension = 0;
  const char* end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + kTest.size(), end, dimension);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    return {Code::kInvalid,
            str_cat("model '", printable(name), "': test:N needs a number of dimensions")};
  }
  return make_test_embedder(dimension);
}

}  // namespace kedge
