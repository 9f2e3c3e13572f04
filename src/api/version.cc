#include "kedge/client.h"

namespace kedge {

std::string_view version() { return "0.1.0"; }

}  // namespace kedge
