// The groups of unit tests.
#pragma once

void test_strategy();
void test_graph();
void test_netting();
void test_report();
void test_turns();
