#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

use pusher_proto::{Config, Endpoint, Instant};
use pusher_session::{Action, Session};

/// Something that cannot be optimised away.
#[unsafe(no_mangle)]
pub extern "C" fn probe() -> bool {
    let Ok(config) = Config::new("key", Endpoint::cluster("eu")) else { return false };
    let mut session = Session::new(config, [7; 32]);
    session.connect();
    while let Some(action) = session.poll_action(Instant::ZERO) {
        if let Action::Connect(socket, _) = action {
            session.handle_bytes(socket, b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
            return session.poll_action(Instant::ZERO).is_some();
        }
    }
    false
}

struct NoMemory;

// SAFETY: never hands out memory.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
