// Tests of the stages that need no server.

#include "check.hpp"
#include "unit.hpp"

int main()
{
    test_strategy();
    test_graph();
    test_netting();
    test_report();
    test_turns();
    std::printf("%d failures\n", failures);
    return failures != 0;
}
