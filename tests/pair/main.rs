//! The client and the model server against each other, once for every dialect, on virtual time.
//!
//! Each scenario is written once. Where servers differ, it lists the behaviour of each of them; what is not listed must
//! not happen.

mod history;
mod polls;
mod recorded;
mod recorded_v2;
mod reference;
mod scenarios;
mod signin;
mod single;
mod stage;
mod tokens;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use pusher_proto::server::Dialect;

fn main() -> ExitCode {
    let mut trials = recorded::trials();
    trials.extend(recorded_v2::trials());
    trials.extend([history::trial(), polls::trial(), signin::trial(), tokens::trial()]);
    for (name, scenario) in scenarios::all() {
        for dialect in Dialect::ALL {
            trials.push(Trial::test(format!("{name}: {dialect}"), move || {
                scenario(dialect);
                Ok(())
            }));
        }
    }
    for (name, scenario) in scenarios::of_version_2() {
        trials.push(Trial::test(format!("{name}: {}", Dialect::SockudoV2), || {
            scenario(Dialect::SockudoV2);
            Ok(())
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
