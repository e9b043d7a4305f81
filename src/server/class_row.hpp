// A relation's row in pg_class, as the catalog cache has it.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct ClassRow {
    bool exists;        // else everything is zero
    TransactionId xmin; // that wrote it
    FormData_pg_class form;
};

// The row of a relation, which nobody needs to have locked.
ClassRow class_row(Oid relation);

} // namespace refresh_mv
