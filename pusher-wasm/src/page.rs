//! What happens to the page: it is offline, online, left, or comes back.

use pusher_driver::WeakClient;
use pusher_proto::ConnectionState::{Disconnected, Failed, Initialized};
use pusher_proto::NetworkHint;
use wasm_bindgen::prelude::*;
use web_sys::{Event, EventTarget};

/// Passes on what happens to a page or a worker, until it is dropped.
pub(crate) struct Page {
    target: EventTarget,
    listener: Closure<dyn FnMut(Event)>,
}

impl Page {
    /// Returns `None` outside of pages and workers.
    pub(crate) fn listen(client: WeakClient) -> Option<Self> {
        let target = js_sys::global().dyn_into::<EventTarget>().ok()?;
        let mut returns = false;
        let listener = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            let Some(client) = client.upgrade() else { return };
            match event.type_().as_str() {
                "online" => client.network_changed(NetworkHint::Online),
                "offline" => client.network_changed(NetworkHint::Offline),
                // A page with an open socket cannot be kept for the back button.
                "pagehide" => {
                    returns = !matches!(client.state(), Initialized | Disconnected | Failed { .. });
                    client.disconnect();
                }
                "pageshow" if returns => {
                    returns = false;
                    client.connect();
                }
                _ => {}
            }
        });
        for name in EVENTS {
            let _ = target.add_event_listener_with_callback(name, listener.as_ref().unchecked_ref());
        }
        Some(Self { target, listener })
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        for name in EVENTS {
            let _ = self.target.remove_event_listener_with_callback(name, self.listener.as_ref().unchecked_ref());
        }
    }
}

const EVENTS: [&str; 4] = ["online", "offline", "pagehide", "pageshow"];
