"""Tests of every forge that are not tried at one, and where the same is held in that forge's own words."""

from __future__ import annotations

import pytest

REFUSALS = "test_gitlab_facts: test_refusals_say_what_to_do"
ONCE = "test_gitlab_facts: test_nothing_is_done_twice_whose_answer_was_lost"
JOBS = "test_gitlab_facts: test_of_a_pipeline_only_what_must_not_fail_counts_and_only_its_newest_try"
PLACES = "test_gitlab_facts: test_where_a_remark_stands_is_told_and_that_its_lines_have_changed"
ANSWERS = "test_gitlab_facts: test_an_answer_stands_in_the_discussion_and_below_where_that_takes_none"

TRIED_ELSEWHERE: dict[str, dict[str, str]] = {
    "gitlab": {
        "test_a_look_reads_every_review": "no review has words",
        "test_what_is_used_up_of_graphql_stops_nothing_else": "there is one limit for all",
        "test_a_wrong_token_is_refused_with_the_place_where_a_right_one_belongs": REFUSALS,
        "test_a_missing_scope_is_named": REFUSALS,
        "test_a_repository_that_the_token_may_not_see_is_refused": REFUSALS,
        "test_what_the_forge_finds_invalid_is_refused_in_its_own_words": REFUSALS,
        "test_where_there_are_no_drafts_it_is_opened_without": "there are drafts in each project",
        "test_a_pull_request_whose_answer_was_lost_is_not_made_twice": ONCE,
        "test_a_reply_whose_answer_was_lost_is_not_posted_twice": ONCE,
        "test_a_failure_within_a_look_tells_nothing_half": "test_gitlab_facts: test_a_failure_within_a_look",
        "test_a_log_that_may_not_be_read_is_done_without": "test_gitlab_facts: test_a_log_that_may_not_be_read",
        "test_a_failed_check_is_told_with_its_step_the_end_of_its_log_and_its_address": JOBS,
        "test_only_failures_that_are_over_count_and_only_those_of_the_newest_commit": JOBS,
        "test_a_check_of_another_app_by_the_same_name_ends_nothing_and_hides_nothing": "there are no apps",
        "test_a_check_that_its_app_runs_again_under_the_same_id_is_told_as_it_ends_then": "there are no apps",
        "test_a_failed_status_and_a_check_without_a_log_are_told_in_their_own_words": (
            "test_gitlab_facts: test_a_status_that_something_else_has_set_is_told_once_and_in_its_words"
        ),
        "test_what_people_say_is_told_and_nothing_else": "test_gitlab_facts: test_developers_are_heard_and_nobody_else",
        "test_ones_own_comments_count_where_the_settings_say_so_but_never_what_we_have_posted": (
            "test_gitlab_facts: test_ones_own_notes_count_where_the_settings_say_so"
        ),
        "test_a_required_check_that_runs_or_has_failed_is_named_and_no_other": "GitLab names no check",
        "test_a_second_look_costs_nothing_and_tells_the_same": "GitLab does the work whatever ETag is sent",
        "test_a_change_request_ends_when_it_is_withdrawn_or_its_author_approves": (
            "a request for changes has no words: test_gitlab_facts: test_it_is_approved_once_the_rules_are_met"
        ),
        "test_a_remark_on_a_file_that_is_gone_is_told_with_the_place_that_it_had": PLACES,
        "test_a_remark_is_told_with_its_place_and_the_lines_that_it_is_about": PLACES,
        "test_a_conversation_that_is_resolved_asks_for_nothing_until_it_is_opened_again": (
            "test_gitlab_facts: test_a_discussion_that_somebody_has_resolved_asks_for_nothing"
        ),
        "test_a_pull_request_is_opened_once": "test_gitlab_facts: test_it_is_opened_once_and_left_alone",
        "test_one_that_was_merged_a_moment_ago_is_left_as_it_is": (
            "test_gitlab_facts: test_one_that_is_merged_at_this_very_moment_is_left_as_it_is"
        ),
        "test_each_comment_is_answered_once_where_it_was_made": ANSWERS,
        "test_an_answer_within_a_thread_goes_to_its_beginning_and_a_deleted_comment_gets_none": ANSWERS,
    },
    "gitea": {
        "test_what_is_used_up_of_graphql_stops_nothing_else": "there is one limit for all",
        "test_for_a_branch_that_the_base_branch_holds_there_is_nothing_to_open": "it opens an empty one (memory)",
        "test_a_check_of_another_app_by_the_same_name_ends_nothing_and_hides_nothing": "there are no apps",
        "test_a_check_that_its_app_runs_again_under_the_same_id_is_told_as_it_ends_then": "there are no apps",
        "test_a_failed_status_and_a_check_without_a_log_are_told_in_their_own_words": "no check has a text",
        "test_one_that_has_to_be_up_to_date_and_is_not_is_told_so": "only an administrator is told",
        "test_what_is_only_behind_is_brought_up_to_date_by_a_merge": "only an administrator is told that it is behind",
        "test_a_second_look_costs_nothing_and_tells_the_same": "there are no ETags",
        "test_where_it_is_not_told_what_is_resolved_all_that_is_asked_holds": "the others tell it with the remark",
        "test_a_missing_scope_is_named": "only GitHub names it",
        "test_where_there_are_no_drafts_it_is_opened_without": "a title is always possible",
    },
}
"""Kind of forge → test → why, or where."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        callspec = getattr(item, "callspec", None)
        kind = str(callspec.params.get("forge_kind", "")) if callspec else ""
        name = getattr(item, "originalname", "")
        is_app = callspec is not None and callspec.params.get("token_kind") == "installation"
        is_elsewhere = name in TRIED_ELSEWHERE.get(kind, {}) or (is_app and kind not in ("", "github"))
        (left_out if is_elsewhere else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
