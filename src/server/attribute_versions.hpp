// Versions of columns, which minor releases since November 2026 keep in attoptions: values of the row type tell by
// them which columns they were made with, so later columns must not have lower ones.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::attribute_versions {

// The attoptions of columns that are being added now; 0 if the server that runs keeps no versions, whatever that was for
// whose headers we were compiled.
Datum options();

} // namespace refresh_mv::attribute_versions
