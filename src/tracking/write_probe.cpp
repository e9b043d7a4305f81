#include "tracking/write_probe.hpp"

#include "query/view.hpp"
#include "server/bridge.hpp"
#include "server/class_row.hpp"
#include "tracking/hypertable.hpp"

namespace refresh_mv {

namespace {

bool is_of_extension(Oid class_id, Oid object)
{
    return OidIsValid(object) && OidIsValid(getExtensionOfObject(class_id, object));
}

// The columns that values can be given for, by name; that can be updated, if so wished.
char *column_list(Relation table, bool updated)
{
    StringInfoData text;
    TupleDesc desc = RelationGetDescr(table);
    initStringInfo(&text);
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(desc, i);
        if (!attribute->attisdropped && attribute->attgenerated == '\0'
            && !(updated && attribute->attidentity == ATTRIBUTE_IDENTITY_ALWAYS))
            appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "", quote_identifier(NameStr(attribute->attname)));
    }
    return text.data;
}

// Statements that change nothing: a row that is there already is inserted again, so that all
// is set up that an insert takes, and conflicts with itself.
List *statements_for(Oid oid)
{
    Relation table = table_open(oid, NoLock);
    const char *name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)),
                                                  RelationGetRelationName(table));
    char *columns = column_list(table, false);
    char *updated = column_list(table, true);
    List *statements = list_make1(psprintf("DELETE FROM %s WHERE false", name));
    if (updated[0] != '\0' && !table->rd_rel->relhasrules) {
        statements = lappend(statements, psprintf("UPDATE %s SET (%s) = ROW(%s) WHERE false", name, updated, updated));
        statements = lappend(statements, psprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s LIMIT 1"
                                                  " ON CONFLICT DO NOTHING", name, columns, columns, name));
    }
    table_close(table, NoLock);
    return statements;
}

// Writes as the owner of the table, while other people's triggers are not fired.
void write(Oid table)
{
    Oid user;
    int context;
    ListCell *cell;
    int level = NewGUCNestLevel();

    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(view::owner(table),
                           context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
    set_config_option("session_replication_role", "replica", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                      false);
    SPI_connect();
    foreach (cell, statements_for(table))
        if (SPI_execute(static_cast<char *>(lfirst(cell)), false, 0) < 0)
            elog(ERROR, "a statement could not be run: %s", static_cast<char *>(lfirst(cell)));
    SPI_finish();
    SetUserIdAndSecContext(user, context);
    AtEOXact_GUC(true, level);
}

} // namespace

namespace write_probe {

bool wants(Oid table)
{
    ListCell *cell;
    if (is_of_extension(RelationRelationId, table) || is_of_extension(NamespaceRelationId, get_rel_namespace(table))
        || is_of_extension(AccessMethodRelationId, class_row(table).form.relam))
        return true;
    foreach (cell, hypertable::chunks(table, NoLock))
        if (wants(lfirst_oid(cell)))
            return true;
    return false;
}

const char *trouble(Oid table)
{
    struct Undo {};
    return entry([&]() -> const char * {
        try {
            subtransaction([&] {
                guard([&] { write(table); });
                throw Undo{};
            });
        } catch (const Undo &) {
        } catch (const PgError &error) {
            if (is_cancel(error.data))
                throw;
            return error.data->message ? error.data->message : "unknown error";
        }
        return nullptr;
    });
}

} // namespace write_probe

} // namespace refresh_mv
