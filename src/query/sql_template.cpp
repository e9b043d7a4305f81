#include "query/sql_template.hpp"

namespace refresh_mv {

namespace {

const char *text_of(const char *name, size_t length, std::initializer_list<sql_template::Value> values)
{
    for (const sql_template::Value &value : values)
        if (strlen(value.name) == length && strncmp(value.name, name, length) == 0)
            return value.text;
    elog(ERROR, "no value for \"%.*s\" of an SQL template", static_cast<int>(length), name);
}

void append_numbered(StringInfo text, const char *sql, int number)
{
    for (; *sql != '\0'; sql++)
        if (*sql == '#')
            appendStringInfo(text, "%d", number);
        else
            appendStringInfoChar(text, *sql);
}

} // namespace

namespace sql_template {

char *fill(const char *sql, std::initializer_list<Value> values)
{
    StringInfoData text;
    initStringInfo(&text);
    while (const char *name = strchr(sql, '{')) {
        size_t length = strcspn(name + 1, "}");
        appendBinaryStringInfo(&text, sql, static_cast<int>(name - sql));
        appendStringInfoString(&text, text_of(name + 1, length, values));
        sql = name + 1 + length + 1;
    }
    appendStringInfoString(&text, sql);
    return text.data;
}

char *number(const char *sql, int number)
{
    StringInfoData text;
    initStringInfo(&text);
    append_numbered(&text, sql, number);
    return text.data;
}

char *number_all(const char *sql, int count)
{
    StringInfoData text;
    initStringInfo(&text);
    for (int i = 1; i <= count; i++)
        append_numbered(&text, sql, i);
    return text.data;
}

} // namespace sql_template

} // namespace refresh_mv
