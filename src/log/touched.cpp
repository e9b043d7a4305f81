#include "log/touched.hpp"

namespace refresh_mv {

namespace {

Touched noted; // in TopTransactionContext

void add(List **list, Oid relation)
{
    MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
    *list = list_append_unique_oid(*list, relation);
    MemoryContextSwitchTo(old);
}

} // namespace

namespace touched {

void note(Oid source, bool wanted)
{
    if (wanted)
        add(&noted.sources, source);
}

void note_meaning(Oid view)
{
    add(&noted.views, view);
}

bool any()
{
    return noted.sources != NIL || noted.views != NIL;
}

Touched take()
{
    Touched taken = noted;
    noted = {};
    return taken;
}

void forget(Oid source)
{
    noted.sources = list_delete_oid(noted.sources, source);
}

void forget_all()
{
    noted = {};
}

} // namespace touched

} // namespace refresh_mv
