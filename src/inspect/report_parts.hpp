// The parts of the report's page.
#pragma once

#include "inspect/html.hpp"
#include "inspect/report.hpp"

namespace refresh_mv::report {

// The words for how fresh a view is, and the name of its class; its mark.
Markup word_for(Freshness freshness);
Markup class_of(Freshness freshness);
void put_mark(Html &page, Freshness freshness);

// The class of a method: its name, if it is one.
Markup class_of(const std::string &method);

// A relation's name, its schema in another colour unless it is public.
void put_name(Html &page, const Relation &relation);

// The page's parts.
void put_graph(Html &page, const Contents &contents);
void put_view(Html &page, const Relation &view, int number);

} // namespace refresh_mv::report
