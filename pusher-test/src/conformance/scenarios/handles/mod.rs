//! What the handles of the driver do in every runtime.

mod auth;
mod callbacks;
mod ends;
mod mailboxes;
mod streams;

use crate::conformance::handles::WithHandles;
use crate::conformance::scenario::{Needs, Play, Scenario, list};

list! {
    Handles for WithHandles:
    any auth::an_expired_token_is_renewed_once:
        "After 401, the credentials are renewed and the request is sent again, once"
        from "pusher_driver::HttpAuth::on_unauthorized";
    any auth::functions_of_the_application_that_panic_stop_no_later_request:
        "A function for headers that panics fails one request, however often that happens"
        from "pusher_driver::guard";
    any auth::many_channels_are_authorized_by_one_request:
        "With a batch endpoint, the channels that wait are authorized by one request"
        from "pusher_driver::HttpAuth::batch_endpoint";
    any auth::a_channel_of_a_batch_can_be_left_while_it_is_on_its_way:
        "Whichever channel of a batch is left while the request is on its way, the others are authorized by it"
        from "pusher_driver::HttpAuth::batch_endpoint";
    any auth::a_refused_connection_names_its_address:
        "The error of a refused connection names the address and the system's reason"
        from "pusher_proto::TransportError::Io";
    any auth::unsubscribing_ends_what_waits_for_the_channel:
        "unsubscribe ends the channel's streams, and `subscribed` returns Unsubscribed"
        from "pusher_driver::Client::unsubscribe";
    any mailboxes::two_handles_of_a_channel_share_it:
        "Each handle of a channel gets all its events, and the last one unsubscribes it"
        from "pusher_driver::Subscription";
    any mailboxes::a_kept_channel_stays_subscribed_without_a_handle:
        "A kept channel stays subscribed, also after a loss, until it is unsubscribed"
        from "pusher_driver::Subscription::keep";
    any callbacks::callbacks_that_are_bound_after_events_came_get_them_in_order:
        "A callback that is bound to a handle gets the events collected so far, and then the new ones"
        from "docs/architecture.md: A handle whose first use is `bind` passes the events collected so far to the callback";
    any streams::a_typed_stream_has_values_and_says_where_it_has_gaps:
        "A typed stream has values, and errors in the place of gaps and unreadable payloads"
        from "docs/architecture.md: `Typed` filters a `Subscription`";
    any streams::a_stream_of_states_continues_with_the_latest:
        "A stream of states continues with the latest one, and ends after shutdown"
        from "docs/architecture.md: `States` collects nothing";
    any streams::a_signed_in_user_is_waited_for_and_sees_who_is_online:
        "`signed_in` waits for the user, and `online` has the users of the watchlist who are connected"
        from "docs/protocol.md: The application can query the set of online users on the watchlist";
    any mailboxes::a_slow_reader_loses_the_oldest_events:
        "With DropOldest, a full mailbox keeps the newest events, after the number of those lost"
        from "pusher_driver::Overflow::DropOldest";
    any mailboxes::a_slow_reader_loses_the_newest_events:
        "With DropNewest, a full mailbox keeps the oldest events, before the number of those lost"
        from "pusher_driver::Overflow::DropNewest";
    any mailboxes::a_slow_reader_loses_its_stream:
        "With Close, a full mailbox ends after its events and the number of those lost"
        from "pusher_driver::Overflow::Close";
    any mailboxes::a_reader_that_stops_for_long_does_not_hold_up_others:
        "A stream that is not read delays neither other streams nor the answer to a ping"
        from "docs/architecture.md: so that a slow stream does not starve the others";
    any callbacks::a_panicking_callback_does_not_stop_others:
        "A panic of a callback is caught, and the other callbacks and the loop go on"
        from "docs/architecture.md: Application code that runs in the loop may panic";
    any callbacks::a_panicking_drop_does_not_stop_others:
        "A panic of a destructor of what callbacks own is caught"
        from "docs/architecture.md: Application code that runs in the loop may panic";
    any ends::a_client_that_was_shut_down_says_so:
        "After shutdown, the state is Disconnected, `subscribed` says so, and streams end"
        from "pusher_driver::Client::shutdown";
    any ends::dropping_everything_closes_the_connection:
        "A subscription keeps the connection without the client, and the last handle closes it"
        from "pusher_driver::Client";
}
