// Any bytes as an answer of an S3 store: the first byte chooses the question. What is accepted
// keeps the bounds that callers rely on.
#include <cstdint>

#include "net/http.h"
#include "s3/http_date.h"
#include "s3/s3_error.h"
#include "s3/s3_object.h"
#include "s3/s3_xml.h"

namespace kedge {
namespace {

void list_objects(ByteView body) {
  const auto page = parse_list_objects(body);
  if (!page.ok()) return;
  KEDGE_CHECK(page->objects.size() <= kMaxListPage);
  KEDGE_CHECK(page->truncated == false || !page->continuation_token.empty());
  for (const ObjectInfo& info : page->objects)
    KEDGE_CHECK(!info.key.empty() && info.key.size() <= kMaxKeyBytes);
}

void list_versions(ByteView body) {
  const auto page = parse_list_versions(body);
  if (page.ok()) KEDGE_CHECK(!page->truncated || !page->next_key_marker.empty());
}

void list_uploads(ByteView body) {
  const auto page = parse_list_uploads(body);
  if (page.ok()) KEDGE_CHECK(!page->truncated || !page->next_key_marker.empty());
}

// Lines of "name: value", then an empty line and the body.
void object(ByteView bytes) {
  HttpResponse response;
  std::string_view text = as_text(bytes);
  response.status = text.starts_with('p') ? 206 : 200;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty()) break;
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    response.headers.push_back(
        {std::string(line.substr(0, colon)), std::string(line.substr(colon + 2))});
  }
  response.body = to_bytes(text);
  const std::size_t size = response.body.size();
  const ReadRequest part{.key = "k", .offset = 2, .length = 3, .if_match = {}, .version_id = {}};
  const ReadRequest whole{.key = "k", .offset = 0, .length = {}, .if_match = {}, .version_id = {}};
  const auto of_part = checked_blob(part, response, {});
  if (of_part.ok()) KEDGE_CHECK(size <= 3 && of_part->info.size >= 2 + size);
  const auto of_whole = checked_blob(whole, response, {});
  if (of_whole.ok()) KEDGE_CHECK(of_whole->info.size == size);
}

}  // namespace
}  // namespace kedge

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kedge;
  if (size == 0) return 0;
  const ByteView body(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'l':
      list_objects(body);
      break;
    case 'v':
      list_versions(body);
      break;
    case 'u':
      list_uploads(body);
      break;
    case 'd':
      (void)parse_delete_result(body);
      break;
    case 'c':
      (void)parse_complete(body);
      (void)parse_upload_id(body);
      break;
    case 'e': {
      HttpResponse response;
      response.status = 500;
      const S3ErrorBody error = parse_s3_error(body);
      KEDGE_CHECK(error.code.size() <= 1024 && error.message.size() <= 1024);
      (void)s3_error_message("GET 'k'", response, error);
      break;
    }
    case 'o':
      object(body);
      break;
    default:
      (void)parse_http_date(as_text(body));
      (void)parse_content_range(as_text(body));
  }
  return 0;
}
