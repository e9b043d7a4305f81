#include "incremental/way.hpp"

namespace refresh_mv::way {

bool is_concerned(Work *work)
{
    return affected_parts::concerns(work->analysis.anchoring, work->changes) && work->show_signs()
           && affected_parts::concerns(work->analysis.anchoring, work->changes);
}

const char *find(Work *work)
{
    const Anchoring &anchoring = work->analysis.anchoring;
    work->by_terms = signed_terms::tell_all(work->analysis.query, anchoring, work->changes);
    return work->by_terms ? nullptr : affected_parts::obstacle(work->analysis.query, anchoring, work->changes);
}

} // namespace refresh_mv::way
