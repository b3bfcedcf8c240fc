//! The signed-in user.

use pusher_proto::Event;

use crate::conformance::faults::Cut;
use crate::conformance::runtime::Runtime;
use crate::conformance::stage::Stage;

pub(super) fn a_user_signs_in_and_again_after_a_loss<R: Runtime>(stage: &mut Stage<R>) {
    let mut setup = stage.setup(stage.config());
    setup.auth_params.push(("user_id".into(), "ann".into()));
    let mut user = stage.user_at_rest(setup);
    user.signin();
    user.connect();
    let is_ann = |event: &Event| matches!(event, Event::SignedIn { id, .. } if id == "ann");
    user.until("the user is signed in as ann", is_ann);
    stage.proxy().cut(Cut::Drop);
    user.until("the user's gap is reported", |event| matches!(event, Event::UserContinuityLost { .. }));
    user.until("the user is signed in again as ann", is_ann);
}
