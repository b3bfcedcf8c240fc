//! The list of scenarios.

mod auth;
mod connection;
mod ends;
mod handles;

use crate::Scenario;
use crate::adapter::Adapter;

macro_rules! list {
    ($($module:ident: $($scenario:ident)+;)+) => {
        pub(crate) fn all<A: Adapter>() -> Vec<Scenario<A>> {
            vec![$($((stringify!($scenario), $module::$scenario::<A>),)+)+]
        }
    };
}

list! {
    connection:
        a_client_waits_for_a_server_that_is_not_up_yet
        a_channel_can_be_wanted_before_the_connection
        the_upgrade_carries_prefix_and_headers_to_an_ipv6_address
        events_arrive_on_every_kind_of_channel
        a_dropped_connection_is_replaced
        a_reset_connection_is_replaced
        a_silent_connection_is_noticed_and_replaced
        a_message_that_never_ends_is_given_up
        a_message_that_never_ends_does_not_delay_shutdown
        a_flood_that_continues_after_our_close_holds_nothing_up
        a_trickle_of_bytes_is_enough
        a_message_may_take_longer_than_a_pong
        the_longest_durations_are_taken
        every_range_of_close_codes_has_its_effect
        a_restarted_server_gets_its_clients_back;
    auth:
        a_slow_auth_server_does_not_hold_up_others
        an_auth_server_that_takes_too_long_is_given_up
        requests_that_hang_do_not_delay_later_ones
        a_refusal_of_the_auth_server_is_an_error_of_the_channel
        a_flapping_auth_server_is_asked_again
        an_expired_token_is_renewed_once
        many_channels_are_authorized_by_one_request
        an_answer_for_an_earlier_socket_is_not_used
        a_channel_can_be_left_while_its_authorization_is_on_its_way;
    handles:
        two_handles_of_a_channel_share_it
        a_kept_channel_stays_subscribed_without_a_handle
        callbacks_that_are_bound_after_events_came_get_them_in_order
        a_typed_stream_has_values_and_says_where_it_has_gaps
        a_stream_of_states_continues_with_the_latest
        a_signed_in_user_is_waited_for_and_sees_who_is_online
        a_slow_reader_loses_the_oldest_events
        a_slow_reader_loses_the_newest_events
        a_slow_reader_loses_its_stream
        a_reader_that_stops_for_long_does_not_hold_up_others
        a_panicking_callback_does_not_stop_others
        a_panicking_drop_does_not_stop_others;
    ends:
        a_goodbye_is_said_in_order
        a_goodbye_ends_at_its_deadline
        dropping_everything_closes_the_connection
        dropping_everything_ends_an_attempt_and_an_authorization;
}
