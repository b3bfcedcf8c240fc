//! Signs a webhook like Pusher, or verifies one like its receiver should:
//!
//! ```sh
//! webhook sign app-key app-secret <body                # prints the X-Pusher-Signature
//! webhook verify app-key app-secret KEY SIGNATURE <body   # with the two headers that came with it
//! ```

use std::error::Error;
use std::io::{self, Read as _};

use pusher_proto::signing::App;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // The signature is for the raw bytes: a body that was parsed and serialised again would have a different one.
    let mut body = Vec::new();
    io::stdin().read_to_end(&mut body)?;
    match *args {
        ["sign", key, secret] => println!("{}", App::new("", key, secret)?.sign_webhook(&body)?),
        ["verify", key, secret, sent_key, signature] => {
            App::new("", key, secret)?.verify_webhook(sent_key, signature, &body)?;
        }
        _ => return Err("usage: webhook sign KEY SECRET, or webhook verify KEY SECRET SENT_KEY SIGNATURE".into()),
    }
    Ok(())
}
