//! Who is calling: the Python code that runs now.

use std::ffi::c_int;

use pyo3::ffi;
use pyo3::intern;
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
        let frame = calling_frame(py)?;
        // SAFETY: the frame is live.
        let code = unsafe { ffi::PyFrame_GetCode(frame.as_ptr().cast()) };
        // SAFETY: the result is a new reference and never NULL (Objects/frameobject.c).
        let code = unsafe { Bound::from_owned_ptr(py, code.cast()) };
        #[cfg(Py_3_11)]
        // SAFETY: as for `PyFrame_GetCode`.
        let position = unsafe { ffi::PyFrame_GetLasti(frame.as_ptr().cast()) };
        #[cfg(not(Py_3_11))]
        // SAFETY: as for `PyFrame_GetCode`.
        let position = unsafe { ffi::PyFrame_GetLineNumber(frame.as_ptr().cast()) };
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
        let file = code.getattr(intern!(py, "co_filename"))?;
        Ok(format!("{file}:{line}"))
    }
}

/// `__name__` in the globals of the Python code that called into this extension.
pub(crate) fn current_module(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    let module = running_module(py)?;
    if !passes_on(&module) {
        return Some(module);
    }
    let frame = calling_frame(py)?;
    frame.getattr(intern!(py, "f_globals")).ok()?.get_item(intern!(py, "__name__")).ok()
}

/// The frame of the code that asks for something. The plugin for pytest passes on what a test asks for.
fn calling_frame(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    // SAFETY: this thread is attached, as `py` shows. The result is borrowed, or NULL.
    let frame = unsafe { ffi::PyEval_GetFrame() };
    // SAFETY: if not NULL, the frame is running below this call, so it is live.
    let mut frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, frame.cast()) }?;
    if running_module(py).is_some_and(|module| passes_on(&module)) {
        loop {
            frame = frame.getattr(intern!(py, "f_back")).ok().filter(|it| !it.is_none())?;
            let globals = frame.getattr(intern!(py, "f_globals")).ok()?;
            if !globals.get_item(intern!(py, "__name__")).is_ok_and(|name| passes_on(&name)) {
                break;
            }
        }
    }
    Some(frame)
}

fn passes_on(module: &Bound<'_, PyAny>) -> bool {
    module.eq(intern!(module.py(), "hotpatch.pytest_plugin")).unwrap_or(false)
}

/// `__name__` in the globals of the Python code that runs now.
fn running_module(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    // SAFETY: this thread is attached, as `py` shows. The result is borrowed, or NULL.
    let globals = unsafe { ffi::PyEval_GetGlobals() };
    // SAFETY: if not NULL, the running frame keeps it alive until the reference is taken here.
    let globals = unsafe { Bound::from_borrowed_ptr_or_opt(py, globals) }?;
    globals.get_item(intern!(py, "__name__")).ok()
}
