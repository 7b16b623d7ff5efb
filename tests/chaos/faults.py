"""The catalogue of faults to survive, and the tests of each.

A test is named by its file under `tests/` and its function. Together those of a fault inject it, and ask for what must
hold; where a row of the catalogue wants more than that, `LIMITS` says what. What has no test says why.
"""

from __future__ import annotations

SIM = "sim/test_sim.py::test_no_history_goes_wrong"
RULES = "sim/test_sim.py::test_every_rule_is_needed"
KILL = "chaos/test_kill_sweep.py::test_nothing_is_lost_or_doubled"
LIES = "chaos/test_lies.py::"
ONE_OF_EACH = LIES + "test_one_of_each_is_there"
RESUMED = LIES + "test_a_run_that_is_killed_between_two_calls_is_resumed_and_makes_nothing_again"
SIGNALS = "chaos/test_signals.py::"
CANARY = "chaos/test_canary.py::"
PROCESSES = "conformance/test_store_processes.py::"
TWO_APPLIES = PROCESSES + "test_of_two_applies_at_once_one_makes_everything_and_the_other_finds_it_made"
STORES = "conformance/test_store_faults.py::"
FAULTS = "conformance/test_provider_faults.py::"
MEANWHILE = "conformance/test_provider_meanwhile.py::"
FOLLOW = "conformance/test_provider_follow.py::"
FILE = "unit/stores/test_file.py::"
DEATHS = "unit/stores/test_kill.py::"
DOCUMENT = "unit/stores/test_document.py::"
VERSIONS = "unit/stores/test_history.py::"
CRYPT = "unit/stores/test_crypt.py::"
LOCK = "unit/stores/test_lock.py::"
JOURNAL = "unit/apply/test_journal.py::"
RECOVERY = "unit/apply/test_recovery.py::test_a_crash_while_making_loses_and_doubles_nothing"
QUARANTINE = "unit/apply/test_quarantine.py::"
PROMISES = "unit/apply/test_promises.py::"
SESSION = "unit/apply/test_session.py::"
TRANSPORT = "unit/okta/test_transport.py::"
RETRY = "unit/okta/test_retry.py::"
THROTTLE = "unit/okta/test_throttle.py::"
PAGES = "unit/okta/test_pages.py::"
FAMILIES = "unit/okta/test_families.py::"
CREATION = "unit/okta/test_creation.py::"
SOURCE = "unit/config/test_source.py::"
SCALARS = "unit/config/test_scalars.py::"
BROKEN = "broken/test_broken.py::test_is_refused_in_these_words"
EGRESS = "unit/readiness/test_egress.py::"
FETCH = "unit/readiness/test_fetch.py::"
READING = "unit/readiness/test_reading.py::"
MATRIX = "readiness/test_matrix.py::test_every_case_gets_the_verdict_it_should"
FRESHNESS = "unit/plan/test_freshness.py::test_everything_that_differs_is_named"
WIRE = "unit/plan/test_wire.py::"
GUARDS = "unit/plan/test_guards.py::"
BOUND = "drift/test_bound_plans.py::"
MEDDLING = "unit/cli/test_meddling.py::"
AGAIN = "unit/cli/test_plan_again.py::"
SIGNED = "unit/cli/test_signed_plans.py::"
STATE = "unit/cli/test_state_versions.py::"
PROCESS = "e2e/test_process.py::"
SECRETS = "unit/secrets/test_reader.py::"
GRAPH = "unit/test_graph.py::"
GOLDEN = "golden/test_golden.py::"

TESTED: dict[int, tuple[str, ...]] = {
    1: (KILL, RECOVERY, JOURNAL + "test_every_send_stands_between_its_intent_and_its_outcome", SIM, RULES),
    2: (KILL, RECOVERY, QUARANTINE + "test_what_is_not_there_is_waited_for_until_it_can_not_come"),
    3: (KILL, RESUMED, QUARANTINE + "test_what_comes_late_is_adopted_as_soon_as_it_shows"),
    4: (RECOVERY, GOLDEN + "test_a_later_version_resumes_what_an_earlier_one_left"),
    5: (RESUMED, SIM),
    6: (
        DEATHS + "test_killed_at_every_change_of_the_disk",
        FILE + "test_entries_of_before_the_snapshot_are_ignored",
        FILE + "test_whatever_fails_while_writing_the_old_state_or_the_new_is_there",
        KILL,
    ),
    7: (SIM, RECOVERY, DEATHS + "test_killed_again_and_again_at_any_moment"),
    8: (LOCK + "test_a_child_that_survives_its_parent_does_not_hold_the_lock",),
    9: (
        PROCESS + "test_the_first_interrupt_ends_an_apply_in_good_order_and_the_next_goes_on",
        SIGNALS + "test_the_first_signal_lets_the_call_in_flight_finish",
        SIGNALS + "test_the_second_signal_ends_it_now_and_nothing_is_made_twice",
    ),
    10: (SIM, RULES, FILE + "test_the_state_is_on_the_disk_before_it_takes_its_name"),
    11: (
        "unit/stores/test_apply_to_file.py::test_a_disk_that_fills_up_stops_the_run_and_loses_nothing",
        FILE + "test_an_append_that_fails_is_never_tried_again",
        FILE + "test_whatever_fails_while_writing_the_old_state_or_the_new_is_there",
        KILL,
    ),
    12: (FILE + "test_an_append_that_fails_is_never_tried_again", KILL),
    13: (
        MEDDLING + "test_a_place_that_can_not_be_used_is_told_before_anybody_is_asked",
        FILE + "test_a_place_that_can_not_be_written_is_refused_before_anything_else",
        FILE + "test_a_symbolic_link_is_refused",
    ),
    14: (FILE + "test_a_torn_last_line_is_dropped_and_overwritten", JOURNAL + "test_a_torn_end_is_dropped"),
    15: (
        FILE + "test_a_damaged_line_in_the_middle_is_refused_with_its_number",
        JOURNAL + "test_a_changed_byte_never_goes_unnoticed",
        STATE + "test_repair_cuts_the_journal_off_where_it_is_damaged",
    ),
    16: (
        DOCUMENT + "test_an_empty_file_is_refused",
        FILE + "test_a_damaged_state_is_neither_read_nor_overwritten",
        FILE + "test_a_state_that_vanished_is_not_taken_for_a_new_workspace",
    ),
    17: (
        DOCUMENT + "test_a_file_cut_off_anywhere_is_refused",
        DOCUMENT + "test_what_is_not_json_is_refused",
        DOCUMENT + "test_a_changed_byte_is_refused_or_means_nothing",
        STATE + "test_repair_puts_the_newest_sound_version_back",
    ),
    18: (
        MEDDLING + "test_what_was_forged_shows_as_drift",
        MEDDLING + "test_a_forged_id_is_looked_for_and_nothing_is_made_in_its_place",
        MEDDLING + "test_ids_that_were_exchanged_delete_nothing_by_themselves",
        VERSIONS + "test_every_flipped_bit_is_told",
    ),
    19: (
        DOCUMENT + "test_a_newer_format_is_refused_naming_its_version",
        STATE + "test_repair_leaves_alone_what_a_newer_program_wrote",
    ),
    21: (CRYPT + "test_a_state_of_another_workspace_or_world_is_refused", FRESHNESS),
    22: (
        CRYPT + "test_a_state_that_was_rolled_back_is_refused",
        CRYPT + "test_elsewhere_an_old_state_is_told_by_the_versions_beside_it",
        VERSIONS + "test_a_state_that_was_put_back_by_hand_is_told",
    ),
    23: (
        CRYPT + "test_a_lost_key_refuses_and_never_starts_empty",
        CRYPT + "test_another_key_does_not_open_it_and_a_former_one_does_until_it_is_rewrapped",
        "e2e/test_encryption.py::test_encryption_is_switched_on_later_and_its_key_replaced",
    ),
    24: (FAULTS + "test_it_is_created_once", ONE_OF_EACH),
    25: (ONE_OF_EACH, SIM, QUARANTINE + "test_what_comes_late_is_adopted_as_soon_as_it_shows"),
    26: (FAULTS + "test_it_is_created_once", CREATION + "test_what_did_not_happen_is_asked_for_again", SIM),
    27: (ONE_OF_EACH, QUARANTINE + "test_what_is_there_twice_is_told_of_with_its_ids", SIM),
    28: (FAULTS + "test_a_stale_list_is_outwaited", SIM),
    29: (
        MEANWHILE + "test_what_becomes_visible_in_good_time_is_waited_for",
        MEANWHILE + "test_what_stays_invisible_is_said_to_be_not_visible_yet",
    ),
    30: (
        RETRY + "test_a_rate_limit_is_waited_out_by_the_servers_own_clock",
        RETRY + "test_whatever_a_rate_limit_says_of_its_end",
        RETRY + "test_a_rate_limit_that_ends_tomorrow_is_not_waited_out",
        THROTTLE + "test_it_stops_short_of_what_is_left_to_others",
        THROTTLE + "test_no_window_sees_more_than_our_share",
    ),
    31: (
        FAULTS + "test_a_storm_of_refusals_is_met_with_patience",
        RETRY + "test_waiting_ends_at_a_deadline",
        SIM,
    ),
    32: (
        FAULTS + "test_whatever_error_a_gateway_gives_it_is_created_once",
        RETRY + "test_what_may_have_happened_is_repeated_only_where_twice_is_once",
        ONE_OF_EACH,
    ),
    33: (RETRY + "test_a_momentary_conflict_is_tried_again_even_for_a_post", FAULTS + "test_it_is_created_once"),
    34: (
        ONE_OF_EACH,
        LIES + "test_a_look_that_is_spoilt_is_taken_again_or_told",
        TRANSPORT + "test_a_connection_that_breaks_is_lost",
        FAULTS + "test_an_empty_answer_to_a_read_is_refused_not_taken_for_nothing",
    ),
    35: (
        TRANSPORT + "test_an_answer_that_drips_is_given_up_at_the_deadline",
        FETCH + "test_a_hostile_answer_is_cut_off",
        STORES + "test_a_server_that_drips_is_given_up_at_the_deadline_and_asked_what_it_wrote",
        SECRETS + "test_a_vault_that_drips_is_given_up_at_the_deadline",
    ),
    36: (
        TRANSPORT + "test_a_hostile_answer_costs_little",
        TRANSPORT + "test_an_answer_without_end_is_cut_off",
        TRANSPORT + "test_ten_thousand_headers_are_only_headers",
        FETCH + "test_a_hostile_answer_is_cut_off",
    ),
    37: (
        LIES + "test_a_captive_portal_is_told_from_an_org",
        RETRY + "test_success_that_is_not_json_is_told_and_not_believed",
        TRANSPORT + "test_what_is_not_json_is_only_hinted_at",
        TRANSPORT + "test_an_echoed_secret_shows_nowhere",
    ),
    38: (
        LIES + "test_what_nobody_knows_yet_does_no_harm",
        FAMILIES + "test_an_unknown_state_is_waited_out_not_acted_upon",
        FAMILIES + "test_conditions_set_by_hand_survive_an_update",
        PAGES + "test_an_object_of_another_shape_is_refused",
        PAGES + "test_a_list_of_another_shape_is_refused",
    ),
    39: (
        TRANSPORT + "test_a_token_that_was_rotated_is_read_again_after_a_401",
        "unit/okta/test_auth.py::test_a_refused_token_is_renewed_once_for_all_who_held_it",
        LIES + "test_credentials_that_end_in_the_middle_end_the_run_and_the_next_goes_on",
        LIES + "test_a_branch_that_is_refused_holds_up_no_other_and_only_it_is_left",
    ),
    40: (
        TRANSPORT + "test_nobody_there",
        TRANSPORT + "test_a_certificate_that_is_not_good_is_named_and_nothing_is_sent",
        FETCH + "test_tls_is_always_verified",
        FETCH + "test_an_unknown_name_and_a_closed_port_are_told_apart",
        FETCH + "test_the_address_that_was_checked_is_the_one_connected_to",
    ),
    41: (
        PAGES + "test_pages_that_lead_back_are_refused",
        PAGES + "test_an_object_that_moves_between_pages_counts_once",
        TRANSPORT + "test_credentials_go_to_no_other_origin",
    ),
    42: (
        CREATION + "test_an_operation_that_fails_is_told_with_its_reason",
        CREATION + "test_an_operation_without_end_is_given_up_and_the_list_read",
        CREATION + "test_an_operation_that_can_not_be_found_is_not_waited_for",
        FOLLOW + "test_one_that_goes_on_is_waited_for_and_recorded",
        FOLLOW + "test_one_that_failed_is_told_with_its_reason_and_not_waited_for",
        PROMISES + "test_what_never_ends_is_left_alone_and_not_forgotten",
        "e2e/test_operations.py::test_a_creation_that_okta_is_still_at_is_left_to_it_and_followed_by_the_next_run",
    ),
    43: (
        LIES + "test_what_somebody_deletes_under_our_hands_is_told_and_the_rest_goes_on",
        BOUND + "test_a_plan_that_would_need_another_step_is_refused",
        BOUND + "test_what_somebody_else_made_first_is_not_made_a_second_time",
    ),
    44: (
        MEANWHILE + "test_a_change_of_somebody_else_over_ours_is_found_by_reading_it_back",
        MEANWHILE + "test_a_change_of_something_else_is_kept_and_in_what_is_read_back",
        "unit/apply/test_worker.py::test_what_somebody_else_changed_around_an_update_is_told",
    ),
    45: (
        LOCK + "test_another_process_is_kept_out_and_told_who_holds_it",
        "chaos/test_kill_sweep.py::test_of_two_that_race_one_applies_and_the_other_is_told_who",
    ),
    46: (TWO_APPLIES, PROCESSES + "test_processes_that_race_count_every_write_once"),
    47: (
        PROCESSES + "test_a_killed_holder_holds_no_longer_than_its_lease",
        "chaos/test_crew.py::test_every_workspace_is_done_once_whoever_dies",
        SIM,
    ),
    48: (
        PROCESSES + "test_a_frozen_holder_that_wakes_up_writes_nothing",
        "unit/apply/test_lease.py::test_a_run_that_lost_its_lease_sends_nothing_more_and_records_what_it_did",
        "chaos/test_kill_sweep.py::test_a_holder_that_is_stopped_keeps_others_out_and_goes_on",
        SIM,
    ),
    49: (
        "conformance/test_store_hangs.py::test_a_run_whose_store_hangs_stops_before_another_can_begin",
        "unit/apply/test_departure.py::test_a_lease_that_ends_while_a_write_waits_keeps_it_here",
    ),
    50: (STORES + "test_what_is_said_and_not_heard_is_found_out",),
    51: (STORES + "test_a_conflict_that_is_over_a_moment_later_is_no_conflict",),
    52: (QUARANTINE + "test_the_same_boot_is_believed_before_the_wall_clock", SIM, RULES),
    53: (
        FRESHNESS,
        WIRE + "test_a_changed_byte_is_refused_or_means_nothing",
        WIRE + "test_what_is_no_plan_is_refused",
        "unit/config/test_loader.py::test_differs_where_the_meaning_does",
    ),
    54: (
        "e2e/test_must_show.py::test_a_plan_is_stale_once_the_configuration_was_edited",
        "unit/cli/test_verbs.py::test_a_plan_remembers_its_variables",
        MEDDLING + "test_a_plan_is_stale_once_a_default_is_another",
    ),
    55: (
        FRESHNESS,
        BOUND + "test_a_plan_that_would_need_another_step_is_refused",
        AGAIN + "test_another_plan_of_the_same_is_stale",
    ),
    56: (
        AGAIN + "test_the_second_time_it_is_told_and_nothing_is_done",
        AGAIN + "test_what_was_applied_in_part_was_not_applied",
        "e2e/test_must_show.py::test_a_saved_plan_is_performed_once_and_no_second_time",
    ),
    57: (
        SIGNED + "test_what_was_made_without_the_key_is_refused",
        SIGNED + "test_without_the_key_nothing_is_signed_nor_applied",
    ),
    58: (
        CANARY + "test_no_command_leaves_a_secret_anywhere",
        CANARY + "test_no_failure_quotes_a_secret",
        CANARY + "test_no_crash_leaves_a_secret_behind",
        CANARY + "test_the_hunt_finds_what_it_looks_for",
        "broken/test_broken.py::test_is_refused_in_these_words",
    ),
    59: (
        MEDDLING + "test_a_secret_that_can_not_be_read_stops_an_apply_before_it_writes_anything",
        TRANSPORT + "test_a_secret_that_can_not_be_read_is_refused_before_anything_is_sent",
        SECRETS + "test_a_vault_that_can_not_be_asked",
        SECRETS + "test_what_can_not_be_read_is_named_by_its_reference_only",
        SECRETS + "test_a_secret_of_a_file_loses_one_newline",
        "unit/apply/test_recovery.py::test_a_secret_that_was_rotated_and_may_not_have_been_sent_is_sent_again",
    ),
    60: (
        "unit/cli/test_registration.py::test_a_run_that_dies_before_it_kept_the_secret_registers_anew_and_says_so",
        "unit/okta/test_dynamic_registration.py::test_a_client_that_may_have_been_made_is_not_forgotten",
    ),
    61: (
        EGRESS + "test_a_dangerous_url_is_refused_by_its_text",
        EGRESS + "test_no_setting_opens_link_local_and_metadata_addresses",
        EGRESS + "test_a_private_address_is_permitted_to_the_host_it_was_allowed_for_only",
        FETCH + "test_every_address_a_name_has_must_be_permitted",
        FETCH + "test_the_address_that_was_checked_is_the_one_connected_to",
    ),
    62: (
        FETCH + "test_a_redirect_is_reported_and_not_followed",
        TRANSPORT + "test_a_redirect_is_not_followed",
        TRANSPORT + "test_credentials_go_to_no_other_origin",
        EGRESS + "test_a_dangerous_url_is_refused_by_its_text",
    ),
    63: (READING + "test_anything_but_one_plain_object_is_refused", FETCH + "test_a_hostile_answer_is_cut_off", MATRIX),
    64: (
        SOURCE + "test_a_bomb_of_aliases_is_refused",
        SOURCE + "test_nesting_without_end_is_refused_at_once",
        SOURCE + "test_nesting_by_aliases_counts_too",
        SOURCE + "test_a_file_over_the_bound_is_refused",
        BROKEN,
    ),
    65: (BROKEN,),
    66: (
        BROKEN,
        SOURCE + "test_arbitrary_bytes_are_read_or_refused",
        SOURCE + "test_a_byte_order_mark_says_the_encoding",
        SOURCE + "test_lines_are_counted_whatever_ends_them",
    ),
    67: (SCALARS + "test_a_plain_scalar_means", SCALARS + "test_a_number_that_cannot_be_kept_is_refused", BROKEN),
    68: (
        BROKEN,
        "unit/render/test_page.py::test_safe_text_has_no_character_that_acts_on_the_terminal",
        FAMILIES + "test_no_id_leads_out_of_its_collection",
        EGRESS + "test_a_host_that_mixes_scripts_is_noticed",
    ),
    69: (
        "review/test_injection.py::test_nothing_but_text_comes_out",
        "unit/render/test_plan_text.py::test_remote_text_is_escaped",
        "unit/render/test_diagnostic_text.py::test_remote_text_can_not_act_on_the_terminal",
    ),
    70: (
        GRAPH + "test_the_shortest_cycle_is_shown_with_the_place_of_every_edge",
        GRAPH + "test_a_ring_of_fifty_thousand_is_found_without_recursion",
        GRAPH + "test_a_resource_that_needs_itself",
    ),
    71: (
        "unit/apply/test_walker.py::test_a_long_chain_and_a_wide_fan_take_no_stack",
        "unit/apply/test_drive.py::test_long_and_deep_conversations_need_no_stack",
        DOCUMENT + "test_ten_thousand_records_grow_linearly",
        WIRE + "test_reading_a_plan_costs_a_fraction_of_validating_it_by_the_schema",
    ),
    72: (BROKEN, GRAPH + "test_every_unmet_need_is_reported_with_the_nearest_name"),
    73: (
        "test_convergence.py::test_every_edit_of_every_world_is_settled_by_one_plan",
        "unit/plan/test_moves.py::test_a_rename_changes_nothing_in_the_live_system",
        "unit/plan/test_moves.py::test_a_move_and_a_change_at_once",
        GUARDS + "test_what_is_protected_is_not_replaced",
        GUARDS + "test_protection_outlives_the_block",
    ),
    74: (LIES + "test_what_others_depend_on_stays_and_everything_else_goes",),
    75: (
        LIES + "test_a_branch_that_is_refused_holds_up_no_other_and_only_it_is_left",
        SESSION + "test_a_failure_stops_only_what_waits_for_it_and_names_the_root",
        SIM,
    ),
    76: (
        PROCESS + "test_any_environment_will_do",
        PROCESS + "test_a_reader_that_goes_away_is_no_error",
        PROCESS + "test_closed_standard_streams_do_not_matter",
        PROCESS + "test_a_full_disk_behind_standard_output_is_told",
        PROCESS + "test_a_plan_in_ascii",
        "unit/render/test_plan_text.py::test_any_page_will_do",
    ),
    77: (
        SIGNALS + "test_a_hangup_is_a_death_like_any_other",
        SIGNALS + "test_an_apply_whose_terminal_is_gone_goes_on_to_its_end",
        PROCESSES + "test_a_frozen_holder_that_wakes_up_writes_nothing",
        SIM,
    ),
    78: ("chaos/test_crew.py::test_every_workspace_is_done_once_whoever_dies",),
    79: (TWO_APPLIES, AGAIN + "test_the_second_time_it_is_told_and_nothing_is_done", FRESHNESS),
    80: (
        GOLDEN + "test_a_later_version_resumes_what_an_earlier_one_left",
        GOLDEN + "test_there_is_one_of_every_format_there_was",
        STATE + "test_a_journal_of_a_newer_program_is_left_to_it",
        JOURNAL + "test_a_line_of_a_newer_format_is_refused_naming_its_version",
    ),
}

SIMULATED: dict[int, str] = {
    7: "crashes",
    10: "kept",
    25: "late",
    26: "never",
    27: "twice",
    28: "lag",
    31: "storm",
    47: "expires",
    48: "freeze_at",
    52: "jump",
    77: "freeze_at",
}
"""What chance decides of those faults in the simulator's histories."""

LIMITS: dict[int, str] = {
    21: "Only an encrypted state is bound to its workspace and world. A plain one that was exchanged is believed, as "
    "one restored from a copy has to be; its ids are looked for in the live system, and nothing is made a second time.",
    22: "Only an encrypted state that is older than it was is refused; of a plain one `state history` tells. To accept "
    "it, delete the pin that the refusal names.",
    37: "The message names what was asked for, and not the host, of which the configuration has only one.",
    40: "The org's own address isn't looked up and checked as those of foreign hosts are: the user has named it.",
    43: "A saved plan is refused whole if anything it touches has changed before it begins; only what changes after "
    "that costs no more than its own branch.",
    44: "Without ETags a change between our look and our write can't be kept out; it is found by reading back.",
    47: "Terraform's HTTP protocol knows no end of a lock: that of a holder who died there is removed by hand.",
    54: "It is said that the configuration or a variable changed, and not which: the plan keeps a digest of them.",
    60: "The old secret can't be revoked: what it could be revoked by came in the answer that is lost. That is told.",
    63: "A byte order mark before JSON is passed over, as RFC 8259 permits.",
    65: "Names that differ by case are two names; objects that the live system could not tell apart are refused.",
    70: "A ring of 50,000 is shown after two to three seconds, not after one.",
    71: "How long a plan of 50,000 resources takes is measured by `python -m tests.benchmarks.run`, not in every run.",
    78: "Twelve workspaces and eight deaths within seconds, not a thousand workspaces and a death each minute.",
}

UNTESTED: dict[int, str] = {
    20: "There is one format of the state so far, so none can be two formats older. What this one looks like is kept "
    "under tests/golden, for the next to be tried on.",
}
