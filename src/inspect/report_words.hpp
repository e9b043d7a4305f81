// Numbers and remedies of the report, in words.
#pragma once

#include "inspect/html.hpp"
#include "inspect/report.hpp"

namespace refresh_mv::report {

// A time of so many milliseconds, a number of rows, of bytes, with its unit.
std::string duration(double ms);
std::string count(double number, const char *one, const char *many);
std::string size(double bytes);

// What to do about a failure.
struct Cure {
    Markup advice;
    Markup before; // a statement: what stands before the view's name as a literal, and after it; or nothing
    Markup after;
};

Cure cure(const std::string &sqlstate);

} // namespace refresh_mv::report
