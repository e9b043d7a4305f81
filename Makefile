EXTENSION = refresh_mv
DATA = $(wildcard refresh_mv--*.sql)
MODULE_big = refresh_mv
OBJS = $(patsubst %.cpp,%.o,$(wildcard src/*.cpp src/*/*.cpp))

REGRESS = setup install functions equal_means_same merge_images merge_rows merge_indexes merge_queries spill rebuild window window_zones window_columns smart trust errors rights graph graph_text run history status visibility configure explain explain_advice verify verify_repair verify_answers advise advise_schedule limits settings_follow keep_before refresh_where refresh_where_errors schedule constancy meaning exact track track_log track_rights unknown on_commit one_statement log_limits security security_path security_matrix security_names refusals files probe changed_trees temporal_key own_rows signed_terms terms reborn_keys signed_rows extremes time_conditions trusted_functions joined_rows first_groups other_anchors nodes recursive partition_reads merge_moves keep_exact inheritance live replace_query notify_feed max_lag coarse capture_bulk take_over core_refresh jobs report chunks half_done
ISOLATION = readers refreshers repeatable rebuild_readers overlap cancel rename where_deadlock one_snapshot track_late_commit track_own_transaction track_repeatable track_two_views track_start track_on_commit on_commit_order warm_session live_snapshot replace_query drop_in delete_meanwhile dropped_meanwhile
ISOLATION_OPTS = --inputdir=test

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
# Bitcode would be compiled without the language standard below.
override with_llvm = no
include $(PGXS)

CXX ?= g++
SERVER_INCLUDES = -isystem $(shell $(PG_CONFIG) --includedir-server)
override CXXFLAGS += -std=gnu++20 -MMD -MP -Wall -Wextra -Werror
override CPPFLAGS := -Isrc $(SERVER_INCLUDES) $(CPPFLAGS)
SHLIB_LINK += -lstdc++ -Wl,--version-script=src/exports.map

refresh_mv.so: src/exports.map

-include $(OBJS:.o=.d)
EXTRA_CLEAN += $(OBJS:.o=.d)

# The stages that need no server, tested without one.
UNIT_SOURCES = $(wildcard test/unit/*.cpp) src/refresh/choose_method.cpp src/run/view_order.cpp src/run/turns.cpp src/log/net_effect.cpp src/inspect/html.cpp src/inspect/graph_layout.cpp src/log/block_reader.cpp

.PHONY: unit
unit:
	$(CXX) -std=c++20 -Wall -Wextra -Werror -Isrc -o test/unit/unit $(UNIT_SOURCES)
	test/unit/unit

EXTRA_CLEAN += test/unit/unit

# What PGXN takes: all that is committed, in a folder of the release's name.
DISTVERSION = $(shell sed -n 's/^   "version": "\(.*\)",/\1/p' META.json)

.PHONY: dist
dist:
	git archive --format=zip --prefix=$(EXTENSION)-$(DISTVERSION)/ -o $(EXTENSION)-$(DISTVERSION).zip HEAD

EXTRA_CLEAN += $(EXTENSION)-$(DISTVERSION).zip
