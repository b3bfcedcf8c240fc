#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

use pusher_proto::{Client, Config, Endpoint, Instant};
use pusher_websocket::{Handshake, Limits, Request, WebSocket};

/// Something that cannot be optimised away.
#[unsafe(no_mangle)]
pub extern "C" fn probe() -> bool {
    let Ok(config) = Config::new("key", Endpoint::cluster("eu")) else { return false };
    let mut client = Client::new(config, 1);
    client.connect();
    let Ok(mut handshake) = Handshake::new(&Request::new("example.com", "/"), [7; 16]) else { return false };
    let Ok(Some(upgraded)) = handshake.handle_read(b"HTTP/1.1 101 Switching Protocols\r\n\r\n") else { return false };
    let mut socket = WebSocket::new(Limits::new(), &upgraded.leftover, || [7; 4]);
    client.poll_action(Instant::ZERO).is_some() && socket.poll_message().is_ok()
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
