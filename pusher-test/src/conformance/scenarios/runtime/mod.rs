//! What every runtime does.

mod auth;
mod connection;
mod ends;
mod user;

use crate::conformance::runtime::Runtime;
use crate::conformance::scenario::{Needs, Play, Scenario, list};

list! {
    Runtime for Runtime:
    any connection::a_client_waits_for_a_server_that_is_not_up_yet:
        "A refused connection is reported and tried again, until the server is up"
        from "docs/protocol.md: reports changes of its own state as events";
    any connection::a_channel_can_be_wanted_before_the_connection:
        "A channel that is subscribed before connecting is subscribed after the greeting"
        from "docs/protocol.md: Everything wanted is subscribed after the greeting, in insertion order";
    any connection::the_upgrade_carries_prefix_and_headers_to_an_ipv6_address:
        "The upgrade request has the endpoint's path prefix, query and headers, and a refusal is reported with its status, \
         Retry-After, Location and the start of its body"
        from "docs/protocol.md: A refused upgrade reports status, `Location`, `Retry-After` and the start of the body";
    any connection::events_arrive_on_every_kind_of_channel:
        "Channels of every kind are subscribed, and their events arrive unchanged"
        from "docs/protocol.md: The prefix decides the kind";
    any connection::a_dropped_connection_is_replaced:
        "After the stream has ended, each channel gets ContinuityLost, its success and new events, on another connection"
        from "docs/protocol.md: Once per outage for each channel that was subscribed before it";
    any connection::a_reset_connection_is_replaced:
        "A reset stream is replaced as one that has ended"
        from "docs/protocol.md: Once per outage for each channel that was subscribed before it";
    any connection::a_silent_connection_is_noticed_and_replaced:
        "A connection without any sign of life is pinged after the activity timeout, closed after the pong timeout, and \
         replaced"
        from "docs/protocol.md: Silence leads to a ping, and a missing answer to a close";
    any connection::a_message_that_never_ends_is_given_up:
        "A message of empty frames without end closes the connection at a bound"
        from "docs/protocol.md: refuses a message of more than 131,072 frames";
    any connection::a_message_that_never_ends_does_not_delay_shutdown:
        "The limit of shut_down holds while the server sends without pause"
        from "docs/protocol.md: reads a bounded amount in one turn, whatever the peer sends";
    any connection::a_flood_that_continues_after_our_close_holds_nothing_up:
        "A server that sends on after the client's close delays neither the next connection nor shut_down"
        from "docs/protocol.md: reads a bounded amount in one turn, whatever the peer sends";
    any connection::a_trickle_of_bytes_is_enough:
        "Upgrades, frames and HTTP answers may arrive in pieces of any length"
        from "RFC 9293, section 2.2: TCP provides a byte stream";
    any connection::a_message_may_take_longer_than_a_pong:
        "The bytes of an incomplete message are a sign of life"
        from "docs/protocol.md: accepts a part of a message as an answer to a ping, for five minutes at most";
    any connection::the_longest_durations_are_taken:
        "Timeouts of `Duration::MAX` mean never, and nothing overflows"
        from "docs/protocol.md: lets the user set both timeouts";
    ours connection::every_range_of_close_codes_has_its_effect:
        "4000 to 4099 end the client until the application connects again; after other codes it reconnects"
        from "docs/protocol.md: Each range of codes is handled in its own way";
    any connection::a_restarted_server_gets_its_clients_back:
        "After a restart of the server, all channels are subscribed again, and their gaps are reported"
        from "docs/protocol.md: Everything wanted is subscribed after the greeting, in insertion order";
    any auth::a_slow_auth_server_does_not_hold_up_others:
        "While an authorization waits for its answer, other channels go on"
        from "docs/protocol.md: A request that is not answered does not hold up others";
    any auth::an_auth_server_that_takes_too_long_is_given_up:
        "An authorization that is not answered within `auth_timeout` fails with AuthError::Timeout"
        from "docs/protocol.md: An authorization has a deadline";
    any auth::requests_that_hang_do_not_delay_later_ones:
        "However many authorizations hang, the next one is sent"
        from "docs/protocol.md: A request that is not answered does not hold up others";
    any auth::a_refusal_of_the_auth_server_is_an_error_of_the_channel:
        "A refused authorization is a SubscriptionError with its status, and subscribing again asks again"
        from "docs/protocol.md: A refused authorization is final until `subscribe` is called again or the client reconnects";
    any auth::a_flapping_auth_server_is_asked_again:
        "A status that may be temporary, such as 503, is tried again"
        from "docs/protocol.md: A temporary failure is retried while the channel is wanted";
    any auth::an_answer_for_an_earlier_socket_is_not_used:
        "An authorization for an earlier socket is not sent on a later one"
        from "docs/protocol.md: An answer for an earlier socket is dropped";
    any auth::a_channel_can_be_left_while_its_authorization_is_on_its_way:
        "After unsubscribing, the answer of an authorization has no effect, and no events of the channel are emitted"
        from "docs/protocol.md: Unsubscribing during authorization cancels the request";
    any user::a_user_signs_in_and_again_after_a_loss:
        "The sign-in is authenticated at its own URL with the parameters, and repeated after a loss, which is reported"
        from "docs/protocol.md: After a lost connection, the sign-in is repeated and the gap is reported";
    any ends::a_goodbye_is_said_in_order:
        "A client event that was sent before shut_down arrives, and the server sees the connection close"
        from "docs/protocol.md: Client events triggered before disconnecting are sent before the close";
    any ends::a_goodbye_ends_at_its_deadline:
        "shut_down returns at its limit, whether the server answers or not"
        from "docs/protocol.md: `disconnect` works in every state and leaves at once";
    any ends::a_goodbye_during_an_attempt_waits_for_nothing:
        "shut_down ends an attempt to connect at once, since nothing was opened"
        from "docs/protocol.md: `disconnect` works in every state and leaves at once";
    any ends::a_client_that_disconnects_leaves_the_server:
        "Disconnecting closes the connection while the client lives on, and connecting again subscribes its channels"
        from "docs/protocol.md: `disconnect` works in every state and leaves at once";
    any ends::a_client_that_is_dropped_closes_its_connection:
        "Dropping a client and its subscriptions closes the connection"
        from "pusher_test::conformance::Runtime";
    any ends::dropping_everything_ends_an_attempt_and_an_authorization:
        "Dropping a client ends its attempt to connect, and its authorizations"
        from "pusher_test::conformance::Runtime";
}
