// JSON text to a value whose numbers are the doubles nearest to what is written: the parser of
// Boost.JSON 1.81 may miss them by the last bit where there are more digits than 15, so that a
// filter for a number would not find it.
#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <string_view>

namespace kedge {

// The value, or `error` and `at`, how many bytes were right. `memory`: of the value. Throws
// std::bad_alloc.
boost::json::value parse_json(std::string_view text, const boost::json::parse_options& options,
                              boost::json::storage_ptr memory, boost::system::error_code& error,
                              std::size_t& at);

}  // namespace kedge
