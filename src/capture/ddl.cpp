#include "capture/ddl.hpp"

#include "log/log_writer.hpp"
#include "log/touched.hpp"
#include "server/bridge.hpp"
#include "server/messages.hpp"
#include "store/statement.hpp"
#include "tracking/registry.hpp"
#include "tracking/repair.hpp"
#include "tracking/track.hpp"
#include "tracking/triggers.hpp"

namespace refresh_mv {

namespace {

// A relation that a command has changed or has brought to a source.
struct Concerned {
    Oid relation; // the source, or a tracked view
    char *reason; // why its changes are not known; null: they still are
    bool adapt;   // its triggers
    bool meaning; // the view's query has another one
};

#define COMMANDS \
    "(SELECT * FROM pg_catalog.pg_event_trigger_ddl_commands() c" \
    " WHERE c.command_tag OPERATOR(pg_catalog.<>) 'COMMENT'" \
    " AND c.command_tag OPERATOR(pg_catalog.<>) 'SECURITY LABEL') d"

#define CLASS "'pg_catalog.pg_class'::pg_catalog.regclass"
#define PROC "'pg_catalog.pg_proc'::pg_catalog.regclass"
#define COMMAND_TEXT "pg_catalog.format('%s of %s', d.command_tag, d.object_identity)"

// Commands that can change what the body of a function means, besides those on functions.
#define CAN_CHANGE_BODIES \
    "(d.classid OPERATOR(pg_catalog.=) " PROC " OR d.command_tag OPERATOR(pg_catalog.~)" \
    " '^CREATE (CAST|OPERATOR)|^ALTER (COLLATION|DOMAIN|OPERATOR|TEXT SEARCH|TYPE)')"

// A tracked view itself, or what its query uses; a function or the like, perhaps one that
// is used in the body of another, into which nobody sees (no reason to refresh on commit: a
// script that makes many functions would refresh for each); a table whose changes are
// logged, or a new partition of one.  (Not a chunk: TimescaleDB alters new ones amidst an INSERT;
// what becomes of a chunk is seen at the next refresh.)
constexpr char concerning_query[] =
    "SELECT t.view, " COMMAND_TEXT ", false, false FROM " COMMANDS
    " JOIN refresh_mv.tracked t ON t.view OPERATOR(pg_catalog.=) d.objid"
    " AND d.classid OPERATOR(pg_catalog.=) " CLASS
    " OR d.object_type OPERATOR(pg_catalog.=) 'extension'"
    " AND d.object_identity OPERATOR(pg_catalog.=) 'refresh_mv'"
    " UNION SELECT u.view, " COMMAND_TEXT ", false, true FROM " COMMANDS
    " JOIN refresh_mv.uses u ON u.classid OPERATOR(pg_catalog.=) d.classid"
    " AND u.objid OPERATOR(pg_catalog.=) d.objid"
    " UNION SELECT u.view, " COMMAND_TEXT ", false, false FROM " COMMANDS
    " JOIN refresh_mv.uses u ON u.classid OPERATOR(pg_catalog.=) " PROC
    " JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) u.objid AND p.prosqlbody IS NULL"
    " JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang"
    " AND l.lanname OPERATOR(pg_catalog.<>) 'internal' AND l.lanname OPERATOR(pg_catalog.<>) 'c'"
    " WHERE " CAN_CHANGE_BODIES
    " UNION SELECT m.relation, CASE WHEN m.member OPERATOR(pg_catalog.=) d.objid"
    " OR NOT c.relispartition THEN d.command_tag END, true, false FROM " COMMANDS
    " JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.objid"
    " AND d.classid OPERATOR(pg_catalog.=) " CLASS
    " JOIN refresh_mv.members m ON m.member OPERATOR(pg_catalog.=) d.objid"
    " OR m.member OPERATOR(pg_catalog.=) ANY (SELECT i.inhparent FROM pg_catalog.pg_inherits i"
    " WHERE i.inhrelid OPERATOR(pg_catalog.=) d.objid AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g"
    " WHERE g.tgrelid OPERATOR(pg_catalog.=) i.inhparent AND g.tgname OPERATOR(pg_catalog.=) 'refresh_mv_chunk'))";

// A view that should be tracked and is not: it has been restored.
constexpr char restored_query[] =
    "SELECT d.objid FROM " COMMANDS
    " JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.objid"
    " JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
    " JOIN refresh_mv.settings s"
    " ON s.view_schema OPERATOR(pg_catalog.=) n.nspname::pg_catalog.text"
    " AND s.view_name OPERATOR(pg_catalog.=) c.relname::pg_catalog.text"
    " WHERE s.tracked AND NOT EXISTS (SELECT FROM refresh_mv.tracked t"
    " WHERE t.view OPERATOR(pg_catalog.=) d.objid)";

// What the command concerns, *count of them.
Concerned *find_concerned(int *count)
{
    static SPIPlanPtr any_plan = nullptr;
    static SPIPlanPtr plan = nullptr;
    MemoryContext memory = CurrentMemoryContext;
    Concerned *concerned = nullptr;

    *count = 0;
    SPI_connect();
    statement::read(&any_plan, "SELECT 1 FROM refresh_mv.tracked LIMIT 1", statement::Values());
    if (SPI_processed > 0) {
        statement::read(&plan, concerning_query, statement::Values());
        *count = static_cast<int>(SPI_processed);
        concerned = static_cast<Concerned *>(MemoryContextAlloc(memory, sizeof(Concerned) * (SPI_processed + 1)));
        for (int i = 0; i < *count; i++) {
            bool null;
            auto row = static_cast<uint64>(i);
            concerned[i] = {DatumGetObjectId(statement::returned(row, 1, &null)),
                          statement::returned_text(row, 2, memory),
                          DatumGetBool(statement::returned(row, 3, &null)),
                          DatumGetBool(statement::returned(row, 4, &null))};
        }
    }
    SPI_finish();
    return concerned;
}

List *find_restored()
{
    static SPIPlanPtr plan = nullptr;
    MemoryContext memory = CurrentMemoryContext;
    List *views = NIL;

    SPI_connect();
    statement::read(&plan, restored_query, statement::Values());
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool null;
        MemoryContext old = MemoryContextSwitchTo(memory);
        views = lappend_oid(views, DatumGetObjectId(statement::returned(i, 1, &null)));
        MemoryContextSwitchTo(old);
    }
    SPI_finish();
    return views;
}

// Adapts the triggers of a source; what is not adapted is found at the next refresh.
void adapt(Oid relation)
{
    try {
        subtransaction([&] { guard([&] { track::adapt(relation); }); });
    } catch (const PgError &error) {
        if (is_cancel(error.data))
            throw;
        warning("changes of table %s cannot be logged: %s",
                guard([&] { return get_rel_name(relation); }), error.data->message);
    }
}

} // namespace

namespace ddl {

Oid refreshed_by_core()
{
    static SPIPlanPtr plan = nullptr;
    bool null;
    SPI_connect();
    statement::read(&plan, "SELECT d.objid FROM " COMMANDS " WHERE d.command_tag OPERATOR(pg_catalog.=)"
                           " 'REFRESH MATERIALIZED VIEW'", statement::Values());
    Oid view = SPI_processed == 1 ? DatumGetObjectId(statement::returned(0, 1, &null)) : InvalidOid;
    SPI_finish();
    return view;
}

void note(EventTriggerData *command, Oid known)
{
    int count = 0;
    bool refresh = command->tag == CMDTAG_REFRESH_MATERIALIZED_VIEW;
    List *restored = NIL;
    Concerned *concerned = guard([&] {
        PushActiveSnapshot(GetLatestSnapshot());
        Concerned *found = find_concerned(&count);
        if (refresh)
            restored = find_restored();
        PopActiveSnapshot();
        if (command->tag == CMDTAG_ALTER_TABLE)
            triggers::mend_own();
        for (int i = 0; i < count; i++)
            if (found[i].reason != nullptr && found[i].relation != known) {
                registry::touch(found[i].relation);
                if (found[i].meaning)
                    touched::note_meaning(found[i].relation);
                log_writer::everything(found[i].relation, found[i].reason);
            }
        return found;
    });
    for (int i = 0; i < count; i++)
        if (concerned[i].adapt && !IsolationUsesXactSnapshot())
            adapt(concerned[i].relation);
    for (int i = 0; i < list_length(restored); i++)
        repair::resume(list_nth_oid(restored, i));
}

} // namespace ddl

} // namespace refresh_mv
