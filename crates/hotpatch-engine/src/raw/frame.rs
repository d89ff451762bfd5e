//! Who is calling: the Python code that runs now.

use std::ffi::c_int;

use pyo3::ffi;
use pyo3::prelude::*;

/// A place in Python code, kept cheap: its line is looked up when somebody asks.
pub(crate) struct Place {
    code: Py<PyAny>,
    /// From 3.11 the offset of the instruction in bytes; on 3.10 the line itself.
    position: c_int,
}

impl Place {
    /// The Python code that called into this extension, or `None` if none did.
    pub(crate) fn current(py: Python<'_>) -> Option<Self> {
        // SAFETY: this thread is attached, as `py` shows. The result is borrowed, or NULL.
        let frame = unsafe { ffi::PyEval_GetFrame() };
        if frame.is_null() {
            return None;
        }
        // SAFETY: the frame is running below this call, so it is live.
        let code = unsafe { ffi::PyFrame_GetCode(frame) };
        // SAFETY: the result is a new reference and never NULL (Objects/frameobject.c).
        let code = unsafe { Bound::from_owned_ptr(py, code.cast()) };
        #[cfg(Py_3_11)]
        // SAFETY: as for `PyFrame_GetCode`.
        let position = unsafe { ffi::PyFrame_GetLasti(frame) };
        #[cfg(not(Py_3_11))]
        // SAFETY: as for `PyFrame_GetCode`.
        let position = unsafe { ffi::PyFrame_GetLineNumber(frame) };
        Some(Self { code: code.unbind(), position })
    }

    /// The file and the line, as `"file.py:12"`.
    pub(crate) fn describe(&self, py: Python<'_>) -> PyResult<String> {
        let code = self.code.bind(py);
        #[cfg(Py_3_11)]
        // SAFETY: `code` came from `PyFrame_GetCode` and is kept alive by `self`, and any offset
        // is allowed: one outside the code gives -1 (PyCode_Addr2Line, Objects/codeobject.c).
        let line = unsafe { ffi::PyCode_Addr2Line(code.as_ptr().cast(), self.position) };
        #[cfg(not(Py_3_11))]
        let line = self.position;
        let file = code.getattr(pyo3::intern!(py, "co_filename"))?;
        Ok(format!("{file}:{line}"))
    }
}

/// `__name__` in the globals of the Python code that runs now.
pub(crate) fn current_module(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    // SAFETY: this thread is attached, as `py` shows. The result is borrowed, or NULL.
    let globals = unsafe { ffi::PyEval_GetGlobals() };
    // SAFETY: if not NULL, the running frame keeps it alive until the reference is taken here.
    let globals = unsafe { Bound::from_borrowed_ptr_or_opt(py, globals) }?;
    globals.get_item(pyo3::intern!(py, "__name__")).ok()
}
