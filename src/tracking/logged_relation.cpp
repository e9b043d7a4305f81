#include "tracking/logged_relation.hpp"

namespace refresh_mv {

namespace {

HTAB *cache = nullptr;
MemoryContext memory = nullptr;

void forget(Datum, Oid relation)
{
    HASH_SEQ_STATUS scan;

    hash_seq_init(&scan, cache);
    while (auto *entry = static_cast<Logged *>(hash_seq_search(&scan)))
        if (!OidIsValid(relation) || entry->relation == relation || entry->source == relation) {
            entry->valid = false;
            entry->invalidated = true;
        }
}

Logged *entry_of(Oid relation)
{
    bool found;
    auto *entry = static_cast<Logged *>(hash_search(cache, &relation, HASH_ENTER, &found));
    if (!found) {
        entry->valid = false;
        entry->memory = nullptr;
    }
    return entry;
}

// Finds the columns that the argument names.
void find_columns(Logged *entry, Relation relation, char *names)
{
    List *list;
    ListCell *cell;

    if (!SplitIdentifierString(names, ',', &list) || entry->nkeys < 1
        || entry->nkeys > list_length(list)) {
        entry->problem = "the argument of its triggers is damaged";
        return;
    }
    entry->ncolumns = list_length(list);
    entry->columns = static_cast<AttrNumber *>(palloc(sizeof(AttrNumber) * (entry->ncolumns + 1)));
    foreach (cell, list) {
        AttrNumber column = get_attnum(RelationGetRelid(relation), static_cast<char *>(lfirst(cell)));
        entry->columns[foreach_current_index(cell)] = column;
        if (column <= 0)
            entry->problem = "a column that is to be logged does not exist";
    }
    if (entry->problem != nullptr)
        return;
    entry->layout = logged_relation::layout(relation, entry->columns, entry->ncolumns, entry->nkeys);
    if (entry->nkeys == 1)
        entry->key_width = logged_relation::key_width(
            TupleDescAttr(RelationGetDescr(relation), entry->columns[0] - 1)->atttypid);
}

bool logs_generated(const Logged *entry, Relation relation)
{
    bool generated = false;
    for (int i = 0; entry->problem == nullptr && i < entry->ncolumns; i++)
        generated |= TupleDescAttr(RelationGetDescr(relation), entry->columns[i] - 1)->attgenerated != '\0';
    return generated;
}

bool has_row_trigger(Relation relation)
{
    const TriggerDesc *triggers = relation->trigdesc;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++)
        if (strcmp(triggers->triggers[i].tgname, logged_relation::row_trigger) == 0)
            return true;
    return false;
}

void fill(Logged *entry, Relation relation, const Trigger *trigger)
{
    char *argument = pstrdup(trigger->tgnargs > 0 ? trigger->tgargs[0] : "");
    char *names = strchr(argument, ':');
    Size flags = strspn(argument, "xchw");

    entry->source = logged_relation::source_of(relation);
    entry->partitioned = relation->rd_rel->relispartition
                         || relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
    entry->exact = memchr(argument, 'x', flags) != nullptr;
    entry->on_commit = memchr(argument, 'c', flags) != nullptr;
    entry->hypertable = memchr(argument, 'h', flags) != nullptr;
    entry->coarse = memchr(argument, 'w', flags) != nullptr;
    entry->in_tree = has_row_trigger(relation);
    entry->nkeys = static_cast<int>(strtol(argument + flags, nullptr, 10));
    if (entry->exact)
        find_columns(entry, relation, names ? names + 1 : argument + strlen(argument));
    entry->partial = relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE && logs_generated(entry, relation);
}

} // namespace

namespace logged_relation {

bool is_ours(const Trigger &trigger, const char *name)
{
    if (strcmp(trigger.tgname, name) != 0)
        return false;
    const char *function = get_func_name(trigger.tgfoid);
    const char *schema = get_namespace_name(get_func_namespace(trigger.tgfoid));
    return function != nullptr && schema != nullptr && strcmp(function, "log_change") == 0 && strcmp(schema, "refresh_mv") == 0;
}

char *argument(Flags flags, List *key, List *others)
{
    StringInfoData text;
    ListCell *cell;

    initStringInfo(&text);
    appendStringInfo(&text, "%s%s%s%s%d:", flags.exact ? "x" : "", flags.on_commit ? "c" : "",
                     flags.hypertable ? "h" : "", flags.coarse ? "w" : "", list_length(key));
    foreach (cell, list_concat_copy(key, others))
        appendStringInfo(&text, "%s%s", foreach_current_index(cell) > 0 ? "," : "",
                         quote_identifier(static_cast<char *>(lfirst(cell))));
    return text.data;
}

int key_width(Oid type)
{
    return type == INT2OID ? 2 : type == INT4OID ? 4 : type == INT8OID ? 8 : 0;
}

// A hash that nobody can find collisions of: names and types are those that the
// owner of the table likes, and images must not be read as of other types.
static int64 secret_hash(StringInfo text)
{
    uint8 digest[PG_SHA256_DIGEST_LENGTH];
    int64 hash;
    char *nonce = GetMockAuthenticationNonce(); // of this cluster, and secret
    pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);

    if (pg_cryptohash_init(context) < 0
        || pg_cryptohash_update(context, reinterpret_cast<uint8 *>(nonce), MOCK_AUTH_NONCE_LEN) < 0
        || pg_cryptohash_update(context, reinterpret_cast<uint8 *>(text->data),
                                static_cast<size_t>(text->len)) < 0
        || pg_cryptohash_final(context, digest, sizeof(digest)) < 0)
        elog(ERROR, "could not compute a hash: %s", pg_cryptohash_error(context));
    pg_cryptohash_free(context);
    memcpy(&hash, digest, sizeof(hash));
    return hash;
}

int64 layout(Relation relation, const AttrNumber *columns, int count, int nkeys)
{
    StringInfoData text;
    initStringInfo(&text);
    appendStringInfo(&text, "%d", nkeys);
    for (int i = 0; i < count; i++) {
        Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), columns[i] - 1);
        appendStringInfo(&text, " %s %u", quote_identifier(NameStr(attribute->attname)),
                         attribute->atttypid);
    }
    int64 hash = secret_hash(&text);
    pfree(text.data);
    return hash | 1; // never 0, that of no columns
}

Oid source_of(Relation relation)
{
    // A partition that is being detached concurrently has no ancestors any more.
    List *ancestors = relation->rd_rel->relispartition
                          ? get_partition_ancestors(RelationGetRelid(relation))
                          : NIL;
    return ancestors == NIL ? RelationGetRelid(relation) : llast_oid(ancestors);
}

Logged *find(Relation relation, const Trigger *trigger)
{
    Logged *entry = entry_of(RelationGetRelid(relation));
    if (entry->valid)
        return entry;

    if (entry->memory == nullptr)
        entry->memory = AllocSetContextCreate(memory, "refresh_mv logged relation", ALLOCSET_SMALL_SIZES);
    MemoryContextReset(entry->memory);
    Logged fresh{};
    fresh.relation = RelationGetRelid(relation);
    fresh.memory = entry->memory;
    // The lookups may fail, and may let in an invalidation.
    entry->invalidated = false;
    MemoryContext old = MemoryContextSwitchTo(fresh.memory);
    fill(&fresh, relation, trigger);
    MemoryContextSwitchTo(old);
    fresh.valid = !entry->invalidated;
    *entry = fresh;
    return entry;
}

void watch()
{
    HASHCTL control{};
    control.keysize = sizeof(Oid);
    control.entrysize = sizeof(Logged);
    control.hcxt = memory = AllocSetContextCreate(TopMemoryContext, "refresh_mv logged relations",
                                                  ALLOCSET_DEFAULT_SIZES);
    cache = hash_create("refresh_mv logged relations", 64, &control,
                        HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    CacheRegisterRelcacheCallback(forget, 0);
}

} // namespace logged_relation

} // namespace refresh_mv
