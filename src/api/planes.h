// How many bytes of an index each plane takes.
#pragma once

#include "format/index_state.h"
#include "kedge/vectors.h"

namespace kedge {

PlaneBytes plane_bytes_of(const IndexState& state);

}  // namespace kedge
