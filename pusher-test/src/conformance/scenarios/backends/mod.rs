//! Realistic auth servers: the requests that they get, and the meaning of their answers, as bytes of HTTP.

mod requests;

use crate::conformance::handles::WithHandles;
use crate::conformance::scenario::{Needs, Play, Scenario, list};

list! {
    Handles for WithHandles:
    ours requests::an_auth_request_has_the_headers_that_backends_ask_for:
        "A request to the auth endpoint is a POST with Host, User-Agent, Accept, Accept-Encoding and Content-Type"
        from "docs/authorization.md";
    ours requests::headers_of_the_application_replace_those_of_the_client:
        "Headers of the application replace those of the client, except for Content-Length"
        from "pusher_driver::HttpAuth::header";
    ours requests::an_expired_session_is_renewed_whatever_the_backend_calls_it:
        "401, 419 and a redirect to a login page renew the credentials, or the statuses that the application sets"
        from "pusher_driver::HttpAuth::unauthorized_statuses";
    ours requests::an_answer_that_cannot_be_used_says_what_came_but_no_secret:
        "The error of an unusable answer shows its form, without signatures"
        from "docs/protocol.md: Excerpts of the backend's answers contain no signatures, keys or tokens";
    ours requests::a_wrong_url_and_a_lost_connection_name_host_and_path_only:
        "Errors of the auth endpoint name its URL without the query"
        from "docs/protocol.md: The backend's answers are classified";
    ours requests::an_auth_server_that_is_down_is_described_alike_by_all_adapters:
        "The error of an auth endpoint that is down names the address and the system's reason"
        from "docs/protocol.md: The backend's answers are classified";
    ours requests::a_client_is_not_made_with_an_auth_url_that_cannot_be_used:
        "A client with an unusable auth URL is refused, with the reason"
        from "pusher_proto::InvalidConfig::AuthUrl";
    ours requests::an_auth_server_that_never_ends_its_answer_does_not_hold_up_others:
        "An answer without end is given up at a bound or at its deadline, and delays nothing else"
        from "docs/architecture.md: A peer that sends without pause must not keep the loop from meeting its deadlines";
    ours requests::a_request_ends_with_its_time:
        "However many requests hang, each one ends after `auth_timeout`"
        from "docs/protocol.md: An authorization has a deadline";
    ours requests::a_kept_connection_brings_any_number_of_large_answers:
        "The bounds of an answer count for each answer, and not for the connection that brings several"
        from "pusher_driver::HttpResponse::MAX_LEN";
    ours requests::a_kept_connection_that_the_server_closed_is_no_failure:
        "A request on a kept connection that the server has closed is sent again on a new one"
        from "RFC 9112, section 9.3.1";
}
