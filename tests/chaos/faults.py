"""The catalogue of faults to survive, and the test of each.

A test is named by its file under `tests/` and its function; the laws of stores stand for all stores, the simulator for
every engine-side history. What has no test says why.
"""

from __future__ import annotations

SIM = "sim/test_sim.py::test_no_history_goes_wrong"
KILL = "chaos/test_kill_sweep.py::test_nothing_is_lost_or_doubled"
LAWS = "conformance/store_laws.py::"
PROCESSES = "conformance/test_store_processes.py::"
FILE = "unit/stores/test_file.py::"
DOCUMENT = "unit/stores/test_document.py::"
CRYPT = "unit/stores/test_crypt.py::"
TRANSPORT = "unit/okta/test_transport.py::"
RETRY = "unit/okta/test_retry.py::"
FAULTS = "conformance/test_provider_faults.py::"
SOURCE = "unit/config/test_source.py::"
BROKEN = "broken/test_broken.py::test_is_refused_in_these_words"
EGRESS = "unit/readiness/test_egress.py::"
FETCH = "unit/readiness/test_fetch.py::"

TESTED: dict[int, str] = {
    1: KILL,
    2: KILL,
    3: KILL,
    4: "unit/apply/test_recovery.py::test_a_crash_while_making_loses_and_doubles_nothing",
    5: SIM,
    6: FILE + "test_whatever_fails_while_writing_the_old_state_or_the_new_is_there",
    7: SIM,
    8: "unit/stores/test_lock.py::test_a_child_that_survives_its_parent_does_not_hold_the_lock",
    9: "e2e/test_process.py::test_the_first_interrupt_ends_an_apply_in_good_order_and_the_next_goes_on",
    10: SIM,
    11: "unit/stores/test_apply_to_file.py::test_a_disk_that_fills_up_stops_the_run_and_loses_nothing",
    12: FILE + "test_an_append_that_fails_is_never_tried_again",
    13: FILE + "test_a_place_that_can_not_be_written_is_refused_before_anything_else",
    14: FILE + "test_a_torn_last_line_is_dropped_and_overwritten",
    15: FILE + "test_a_damaged_line_in_the_middle_is_refused_with_its_number",
    16: DOCUMENT + "test_an_empty_file_is_refused",
    17: DOCUMENT + "test_a_file_cut_off_anywhere_is_refused",
    19: DOCUMENT + "test_a_newer_format_is_refused_naming_its_version",
    21: CRYPT + "test_a_state_of_another_workspace_or_world_is_refused",
    22: CRYPT + "test_a_state_that_was_rolled_back_is_refused",
    23: CRYPT + "test_a_lost_key_refuses_and_never_starts_empty",
    24: FAULTS + "test_it_is_created_once",
    25: SIM,
    26: FAULTS + "test_a_creation_that_never_arrives_is_given_up_and_made_nothing",
    27: SIM,
    28: FAULTS + "test_a_stale_list_is_outwaited",
    30: RETRY + "test_a_rate_limit_is_waited_out_by_the_servers_own_clock",
    31: RETRY + "test_waiting_ends_at_a_deadline",
    32: FAULTS + "test_it_is_created_once",
    33: RETRY + "test_a_momentary_conflict_is_tried_again_even_for_a_post",
    34: TRANSPORT + "test_a_connection_that_breaks_is_lost",
    35: TRANSPORT + "test_an_answer_that_drips_is_given_up_at_the_deadline",
    36: TRANSPORT + "test_an_answer_without_end_is_cut_off",
    37: TRANSPORT + "test_what_is_not_json_is_only_hinted_at",
    38: "unit/okta/test_families.py::test_an_unknown_state_is_waited_out_not_acted_upon",
    39: TRANSPORT + "test_a_token_that_was_rotated_is_read_again_after_a_401",
    40: TRANSPORT + "test_nobody_there",
    41: "unit/okta/test_pages.py::test_pages_that_lead_back_are_refused",
    42: "unit/okta/test_creation.py::test_an_operation_without_end_is_given_up_and_the_list_read",
    43: "unit/apply/test_worker.py::test_a_resource_that_is_gone_is_an_error",
    45: "chaos/test_kill_sweep.py::test_of_two_that_race_one_applies_and_the_other_is_told_who",
    46: PROCESSES + "test_of_two_applies_at_once_one_makes_everything_and_the_other_finds_it_made",
    47: PROCESSES + "test_a_killed_holder_holds_no_longer_than_its_lease",
    48: PROCESSES + "test_a_frozen_holder_that_wakes_up_writes_nothing",
    50: "conformance/test_store_faults.py::test_what_is_said_and_not_heard_is_found_out",
    51: "conformance/test_store_faults.py::test_a_conflict_that_is_over_a_moment_later_is_no_conflict",
    52: "unit/apply/test_quarantine.py::test_the_same_boot_is_believed_before_the_wall_clock",
    53: "unit/plan/test_freshness.py::test_everything_that_differs_is_named",
    54: "e2e/test_must_show.py::test_a_plan_is_stale_once_the_configuration_was_edited",
    55: "unit/plan/test_freshness.py::test_everything_that_differs_is_named",
    58: "chaos/test_canary.py::test_no_command_leaves_a_secret_anywhere",
    59: TRANSPORT + "test_a_secret_that_can_not_be_read_is_refused_before_anything_is_sent",
    61: EGRESS + "test_no_setting_opens_link_local_and_metadata_addresses",
    62: FETCH + "test_a_redirect_is_reported_and_not_followed",
    63: "unit/readiness/test_reading.py::test_anything_but_one_plain_object_is_refused",
    64: SOURCE + "test_a_bomb_of_aliases_is_refused",
    65: BROKEN,
    66: SOURCE + "test_arbitrary_bytes_are_read_or_refused",
    67: "unit/config/test_scalars.py::test_a_plain_scalar_means",
    68: "unit/render/test_page.py::test_safe_text_has_no_character_that_acts_on_the_terminal",
    69: "review/test_injection.py::test_nothing_but_text_comes_out",
    70: "unit/test_graph.py::test_a_ring_of_fifty_thousand_is_found_without_recursion",
    71: "unit/apply/test_walker.py::test_a_long_chain_and_a_wide_fan_take_no_stack",
    72: BROKEN,
    73: "test_convergence.py::test_every_edit_of_every_world_is_settled_by_one_plan",
    75: "unit/apply/test_session.py::test_a_failure_stops_only_what_waits_for_it_and_names_the_root",
    76: "e2e/test_process.py::test_any_environment_will_do",
    77: SIM,
    79: PROCESSES + "test_of_two_applies_at_once_one_makes_everything_and_the_other_finds_it_made",
}

UNTESTED: dict[int, str] = {
    18: "A hand-edited state with a renewed checksum shows as drift; only drift itself is tested.",
    20: "There is one format of the state so far.",
    29: "Read-back waits and says so; only its use after a stale list is tested, not a PUT that stays invisible.",
    44: "The live system has no ETags; a change between our look and our write shows in the read-back only.",
    49: "A renewal that hangs is covered by the lease's own clock, not by a test of its own.",
    56: "A plan that is applied twice is refused as stale; that it says `already applied` is not implemented.",
    57: "Plan files are not signed; their fingerprint catches accidents only.",
    60: "No call that this tool makes answers a secret once.",
    74: "What else depends on an object in Okta isn't known to the sandbox.",
    78: "Many workspaces by several workers at once: one workspace is never held twice (46), more is not tested.",
    80: "There is one version so far.",
}
