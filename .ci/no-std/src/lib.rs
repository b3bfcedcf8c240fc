#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

use pusher_proto::{Client, Config, Endpoint, Instant};

/// Something that cannot be optimised away.
#[unsafe(no_mangle)]
pub extern "C" fn probe() -> bool {
    let Ok(config) = Config::new("key", Endpoint::cluster("eu")) else { return false };
    let mut client = Client::new(config, 1);
    client.connect();
    client.poll_action(Instant::ZERO).is_some()
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
