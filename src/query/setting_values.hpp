// The values of settings that a view's result depends on.
#pragma once

#include "query/determinism.hpp"

namespace refresh_mv::setting_values {

// The settings that a result depends on, and the labels of all enums, as one
// text; null if it depends on none.  Results that differ in nothing but settings are
// equal if these texts are.
char *text(const Constancy &constancy);

} // namespace refresh_mv::setting_values
