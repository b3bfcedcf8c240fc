//! What deltas refer to.

pub(crate) use crate::delta::Bases;

use crate::Recovery;
use crate::delta::Limits;

/// Room for the bases of one socket, if deltas are configured. A rebuilt frame may be as long as a received one.
pub(super) fn bases(options: &Recovery, max_frame_len: usize) -> Option<Bases> {
    options.deltas.then(|| Bases::new(Limits { max_frame_len, ..Limits::default() }))
}
