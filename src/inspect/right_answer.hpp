// Whether the rows in which a view differs from its query are another right answer.
//
// Invariant: "wrong" is said only of differences that no right answer has.
#pragma once

#include "merge/diff.hpp"
#include "query/latitude.hpp"

namespace refresh_mv {

enum class Answer { right, wrong, unclear };

namespace right_answer {

// The query to compare with, as it is or changed by latitude::unchoose() or
// take_magnitudes(); a variant that cannot be had (null) is not looked at.
enum class Variant { plain, unchosen, magnitudes };
using Variants = Query *(*)(Variant variant, void *context);

// Judges a diff between the view's rows (those of the condition; null: all) and those of its
// query, both under the active snapshot.
Answer judge(Relation view, Node *condition, Diff *diff, const Latitude &latitude, Variants variants,
             void *context, QueryEnvironment *environment);

} // namespace right_answer

} // namespace refresh_mv
