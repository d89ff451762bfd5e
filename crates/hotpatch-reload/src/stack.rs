//! A stack that is large enough for expressions in expressions.

use std::panic::resume_unwind;
use std::thread;

/// How much of the stack an expression in another takes per byte of text at most, and how much there is. What is
/// not used costs nothing.
const PER_BYTE: usize = 4096;
const LEAST: usize = 1 << 20;
const MOST: usize = 1 << 30;

/// Reads a text of so many bytes in a thread of its own. CPython allows thousands of expressions in each other,
/// and threads of a program may have small stacks.
pub(crate) fn on_a_large_stack<T: Send>(bytes: usize, read: impl Fn() -> T + Sync) -> T {
    let size = bytes.saturating_mul(PER_BYTE).clamp(LEAST, MOST);
    thread::scope(|scope| {
        match thread::Builder::new().stack_size(size).spawn_scoped(scope, &read) {
            Ok(reading) => reading.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => read(), // there is no memory for so large a stack
        }
    })
}
