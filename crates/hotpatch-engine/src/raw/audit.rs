//! Audit events (PEP 578).

use std::ffi::{CStr, c_char, c_int};

use pyo3::prelude::*;

unsafe extern "C" {
    // Part of the stable C API since 3.8 (Include/sysmodule.h); pyo3::ffi has no declaration of it.
    fn PySys_Audit(event: *const c_char, format: *const c_char, ...) -> c_int;
}

/// Raises the audit event `event` with `(target, replacement, by)`; an error is a hook's veto.
pub(crate) fn raise(
    event: &CStr,
    target: &Bound<'_, PyAny>,
    replacement: &Bound<'_, PyAny>,
    by: &Bound<'_, PyAny>,
) -> PyResult<()> {
    // SAFETY: `event` and the format are C strings, "O" takes one live object, and a `Bound` for
    // each of the three shows that they are live and that this thread is attached.
    let result = unsafe {
        PySys_Audit(
            event.as_ptr(),
            c"OOO".as_ptr(),
            target.as_ptr(),
            replacement.as_ptr(),
            by.as_ptr(),
        )
    };
    if result == 0 { Ok(()) } else { Err(PyErr::fetch(target.py())) }
}
