#include "net/http_target.h"

#include <algorithm>
#include <charconv>

#include "base/allocation.h"
#include "base/strings.h"

namespace kedge {
namespace {

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}

bool is_address_character(char c) {
  return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' ||
         c == '.';
}

// The host, brackets included, at the front of `authority`; "" if there is none.
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos || end == 1) return {};
    const std::string_view address = authority.substr(1, end - 1);
    return std::ranges::all_of(address, is_address_character) ? authority.substr(0, end + 1)
                                                              : std::string_view();
  }
  const std::string_view host = authority.substr(0, authority.find(':'));
  return std::ranges::all_of(host, is_host_character) ? host : std::string_view();
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65'535;
}

bool is_link_local(std::string_view host) {
  std::string lower(host);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  // A name may begin like an address.
  const bool numeric = lower.find_first_not_of("0123456789.") == std::string::npos;
  return (numeric && lower.starts_with("169.254.")) || lower.starts_with("[fd00:ec2:") ||
         lower.starts_with("[fe80:");
}

Error invalid(std::string_view url, std::string_view why) {
  return {Code::kInvalid, str_cat("url '", printable(url.substr(0, url.find('?'))), "': ", why)};
}

}  // namespace

Result<HttpTarget> parse_http_target(std::string_view url) try {
  if (url.size() > kMaxUrlBytes) return invalid(url, str_cat("over ", kMaxUrlBytes, " bytes"));
  if (!std::ranges::all_of(url, [](char c) { return c > 0x20 && c < 0x7F; }))
    return invalid(url, "a byte that must be percent-encoded");
  HttpTarget target;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    target.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return invalid(url, "neither http:// nor https://");
  }
  if (rest.find('#') != std::string_view::npos) return invalid(url, "a fragment");
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  // The text before '@' is a password more often than not.
  if (authority.find('@') != std::string_view::npos)
    return Error{Code::kInvalid, "a url with a user name"};
  const std::string_view host = host_of(authority);
  if (host.empty()) return invalid(url, "no host name");
  const std::string_view port = authority.substr(host.size());
  if (!port.empty() && (port[0] != ':' || !is_port(port.substr(1))))
    return invalid(url, "not a port");
  const std::string_view standard = target.tls ? ":443" : ":80";
  target.host_port = str_cat(host, port.empty() ? standard : port);
  target.link_local = is_link_local(host);
  return target;
} catch (...) {
  return memory_error("url");
}

}  // namespace kedge
