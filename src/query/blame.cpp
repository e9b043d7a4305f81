#include "query/blame.hpp"

namespace refresh_mv {

namespace {

const char *volatility_of(Oid function)
{
    return func_volatile(function) == PROVOLATILE_STABLE ? "stable" : "volatile";
}

char *cast_name(Oid from, Oid to)
{
    return psprintf("cast from %s to %s", format_type_be(from), format_type_be(to));
}

// The cast that a function call is; null if it is none.
char *as_cast(Node *call)
{
    if (call == nullptr || !IsA(call, FuncExpr))
        return nullptr;
    auto *function = reinterpret_cast<FuncExpr *>(call);
    if (function->funcformat != COERCE_EXPLICIT_CAST && function->funcformat != COERCE_IMPLICIT_CAST)
        return nullptr;
    return cast_name(exprType(static_cast<Node *>(linitial(function->args))), function->funcresulttype);
}

// The function or aggregate that the user wrote, by which a function is called.
Oid called(Oid function, Node *call)
{
    if (call != nullptr && IsA(call, Aggref))
        return reinterpret_cast<Aggref *>(call)->aggfnoid;
    return call != nullptr && IsA(call, WindowFunc) ? reinterpret_cast<WindowFunc *>(call)->winfnoid : function;
}

// What the user wrote that calls a function; null if it is the function itself.
char *written(Oid function, Node *call)
{
    Oid op = InvalidOid;
    Oid aggregate = called(function, call);
    if (call == nullptr)
        return nullptr;
    switch (nodeTag(call)) {
    case T_OpExpr:
    case T_DistinctExpr:
    case T_NullIfExpr:
        op = reinterpret_cast<OpExpr *>(call)->opno;
        break;
    case T_ScalarArrayOpExpr:
        op = reinterpret_cast<ScalarArrayOpExpr *>(call)->opno;
        break;
    default:
        break;
    }
    if (OidIsValid(op))
        return psprintf("operator %s", format_operator(op));
    return aggregate != function ? psprintf("aggregate %s", format_procedure(aggregate)) : as_cast(call);
}

// What to do instead of reading text as a date or a time.
const char *instead_of_text(Oid type)
{
    switch (getBaseType(type)) {
    case DATEOID:
        return "Text such as 'today' is a date, too: use to_date() with a format, or a column of type date";
    case TIMESTAMPOID:
    case TIMESTAMPTZOID:
        return "Text such as 'now' is a time, too: use to_timestamp() with a format, make_timestamp(), or a column "
               "of that type";
    case TIMEOID:
    case TIMETZOID:
        return "Text such as 'now' is a time, too: use make_time(), or a column of that type";
    default:
        return nullptr;
    }
}

bool equals(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

} // namespace

namespace blame {

Blame function(Oid function, Node *call)
{
    const char *what = written(function, call);
    Oid extension = getExtensionOfObject(ProcedureRelationId, function);
    Blame result = {psprintf("%s function %s", volatility_of(function), format_procedure(function)), nullptr,
                    InvalidOid, what == nullptr, function >= FirstNormalObjectId ? called(function, call) : InvalidOid};

    // A function is named beside what calls it where it is in the user's hands.
    if (what != nullptr)
        result.what = function >= FirstNormalObjectId && !OidIsValid(extension)
                          ? psprintf("%s, by its %s", what, result.what)
                          : what;
    if (OidIsValid(extension))
        result.hint = psprintf("That belongs to extension %s: take it out of the query, or leave the view untracked; "
                               "or %s, if its result depends on its arguments alone",
                               get_extension_name(extension), trust_statement(result.trustable));
    else if (function >= FirstNormalObjectId) {
        result.declarable = function;
        result.hint = psprintf("ALTER FUNCTION %s IMMUTABLE, or %s, if its result depends on its arguments alone; if it "
                               "reads tables, join them in the query",
                               format_procedure(function), trust_statement(result.trustable));
    }
    return result;
}

char *trust_statement(Oid function)
{
    return psprintf("SELECT refresh_mv.trust(%s)", quote_literal_cstr(format_procedure(function)));
}

Blame text_of(Oid type, IOFuncSelector which)
{
    const char *name = format_type_be(type);
    return which == IOFunc_input ? Blame{psprintf("text read as %s", name), instead_of_text(type), InvalidOid, false, InvalidOid}
                                 : Blame{psprintf("%s written as text", name), nullptr, InvalidOid, false, InvalidOid};
}

Blame cast(Oid from, Oid to, const Blame &text)
{
    bool plain = equals(text.what, text_of(to, IOFunc_input).what) || equals(text.what, text_of(from, IOFunc_output).what);
    return {plain ? cast_name(from, to) : psprintf("%s: %s", cast_name(from, to), text.what), text.hint,
            text.declarable, false, text.trustable};
}

} // namespace blame

} // namespace refresh_mv
