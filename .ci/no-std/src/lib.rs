#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::time::Duration;

#[path = "../../../examples/src/bin/uart/device.rs"]
mod device;

use device::{Board, Device};

/// Something that cannot be optimised away.
#[unsafe(no_mangle)]
pub extern "C" fn probe() -> bool {
    let Ok(mut device) = Device::new(NoBoard, "key", "ws://example.com", &[]) else { return false };
    let mut shown = false;
    device.turn(|_, _| shown = true);
    shown
}

/// Hardware that does nothing.
struct NoBoard;

impl Board for NoBoard {
    fn dial(&mut self, _: &str, _: u16) -> bool {
        false
    }

    fn is_online(&self) -> bool {
        false
    }

    fn hang_up(&mut self) {}

    fn transmit(&mut self, _: &[u8]) -> usize {
        0
    }

    fn receive(&mut self, _: &mut [u8]) -> usize {
        0
    }

    fn uptime(&self) -> Duration {
        Duration::ZERO
    }

    fn random(&mut self) -> [u8; 32] {
        [7; 32]
    }
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
