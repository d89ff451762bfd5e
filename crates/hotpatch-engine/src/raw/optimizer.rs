//! Traces that the JIT compiler of CPython 3.13 and later has made.

use std::ffi::c_int;
use std::sync::OnceLock;

use pyo3::ffi;
use pyo3::prelude::*;

/// Makes the optimizer forget every trace, if this interpreter has an optimizer.
///
/// A trace checks the version of a function and then takes its globals for known (3.14:
/// `remove_globals` in `Python/optimizer_analysis.c`). But the version stands for the code alone: two
/// functions that one code object made with different globals share it. So a trace that was made
/// while the one was installed could not tell it from the other.
pub(crate) fn forget_traces(_py: Python<'_>) {
    static INVALIDATE: OnceLock<Option<InvalidateAll>> = OnceLock::new();
    if let Some(invalidate) = INVALIDATE.get_or_init(find) {
        // SAFETY: this thread is attached, so it has an interpreter.
        let interpreter = unsafe { ffi::PyInterpreterState_Get() };
        // SAFETY: CPython itself calls this whenever a rare event makes traces wrong, also from code
        // that a trace has called: they check that they are valid before they go on.
        unsafe { invalidate(interpreter, 1) };
    }
}

/// Exported by interpreters that have an optimizer (`Include/internal/pycore_optimizer.h`, 3.13 to
/// 3.15). The number says whether it counts as an invalidation.
type InvalidateAll = unsafe extern "C" fn(*mut ffi::PyInterpreterState, c_int);

#[cfg(all(unix, Py_3_13))]
fn find() -> Option<InvalidateAll> {
    // SAFETY: the name is a C string, and the handle is the one for "all that is loaded".
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_Py_Executors_InvalidateAll".as_ptr()) };
    if found.is_null() {
        return None;
    }
    // SAFETY: a function of that name has had this signature in every version that has it.
    Some(unsafe { std::mem::transmute::<*mut libc::c_void, InvalidateAll>(found) })
}

#[cfg(not(all(unix, Py_3_13)))]
fn find() -> Option<InvalidateAll> {
    None
}
