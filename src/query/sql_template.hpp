// SQL texts made of templates, so that they can be read.
#pragma once

#include "server/pg.hpp"

#include <initializer_list>

namespace refresh_mv::sql_template {

struct Value {
    const char *name;
    const char *text;
};

// A template with the text in the place of each {name}, which must be one of the values.
char *fill(const char *sql, std::initializer_list<Value> values);

// A template with a number in the place of each #.
char *number(const char *sql, int number);

// The same for the numbers from 1 to count, one after the other.
char *number_all(const char *sql, int count);

} // namespace refresh_mv::sql_template
