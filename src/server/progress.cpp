#include "server/progress.hpp"

namespace refresh_mv::progress {

constexpr uint64 rows_between_reports = 16384;

static struct {
    int number;
    int of;
    const char *name; // null: no view is being refreshed
    int64 part; // 0: the whole view
    const char *phase;
    uint64 rows;
} current;

static void report()
{
    char text[NAMEDATALEN * 2 + 200];
    if (current.name == nullptr)
        return;
    int length = snprintf(text, sizeof(text), "refresh_mv: view %d of %d, %s", current.number, current.of, current.name);
    if (current.part > 0)
        length += snprintf(text + length, sizeof(text) - length, ", chunk %lld", static_cast<long long>(current.part));
    snprintf(text + length, sizeof(text) - length, ": %s, %llu rows", current.phase,
             static_cast<unsigned long long>(current.rows));
    pgstat_report_activity(STATE_RUNNING, text);
}

void start_view(int number, int of, const char *name)
{
    current = {number, of, name, 0, "starting", 0};
    report();
}

void start_part(int64 number)
{
    current.part = number;
    start_phase("starting");
}

void start_phase(const char *phase)
{
    current.phase = phase;
    current.rows = 0;
    report();
}

void count_row()
{
    if (++current.rows % rows_between_reports == 0)
        report();
}

void waiting(int views)
{
    char text[100];
    current.name = nullptr;
    snprintf(text, sizeof(text), "refresh_mv: waiting for other processes: %d views left", views);
    pgstat_report_activity(STATE_RUNNING, text);
}

void end()
{
    current.name = nullptr;
    pgstat_report_activity(STATE_RUNNING, debug_query_string);
}

} // namespace refresh_mv::progress
