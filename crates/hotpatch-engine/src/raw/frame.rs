//! Who is calling: the Python code that runs now.

use std::ffi::c_int;

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// A place in Python code, kept cheap: its line is looked up when somebody asks.
pub(crate) struct Place {
    code: Py<PyAny>,
    /// From 3.11 the offset of the instruction in bytes; on 3.10 the line itself.
    position: c_int,
}

/// The Python code that called into this extension. The plugin for pytest passes on what a test asks for.
pub(crate) struct Caller<'py> {
    frame: Bound<'py, PyAny>,
    /// `__name__` in its globals.
    pub(crate) module: Option<Bound<'py, PyAny>>,
}

impl<'py> Caller<'py> {
    /// Returns `None` if no Python code did.
    pub(crate) fn find(py: Python<'py>) -> Option<Self> {
        // SAFETY: this thread is attached, as `py` shows. The result is borrowed, or NULL.
        let frame = unsafe { ffi::PyEval_GetFrame() };
        // SAFETY: if not NULL, the frame is running below this call, so it is live.
        let mut frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, frame.cast()) }?;
        let mut module = running_module(py);
        while module.as_ref().is_some_and(passes_on) {
            frame = frame.getattr(intern!(py, "f_back")).ok().filter(|it| !it.is_none())?;
            let globals = frame.getattr(intern!(py, "f_globals")).ok()?;
            module = globals.get_item(intern!(py, "__name__")).ok();
        }
        Some(Self { frame, module })
    }

    pub(crate) fn place(&self) -> Place {
        let frame = self.frame.as_ptr().cast();
        // SAFETY: the frame is live.
        let code = unsafe { ffi::PyFrame_GetCode(frame) };
        // SAFETY: the result is a new reference and never NULL (Objects/frameobject.c).
        let code = unsafe { Bound::from_owned_ptr(self.frame.py(), code.cast()) };
        #[cfg(Py_3_11)]
        // SAFETY: as for `PyFrame_GetCode`.
        let position = unsafe { ffi::PyFrame_GetLasti(frame) };
        #[cfg(not(Py_3_11))]
        // SAFETY: as for `PyFrame_GetCode`.
        let position = unsafe { ffi::PyFrame_GetLineNumber(frame) };
        Place { code: code.unbind(), position }
    }
}

impl Place {
    /// That of the Python code that called into this extension, or `None` if none did.
    pub(crate) fn current(py: Python<'_>) -> Option<Self> {
        Caller::find(py).map(|caller| caller.place())
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

fn passes_on(module: &Bound<'_, PyAny>) -> bool {
    module.cast::<PyString>().is_ok_and(|name| name == "hotpatch.pytest_plugin")
}

/// `__name__` in the globals of the Python code that runs now.
fn running_module(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    // SAFETY: this thread is attached, as `py` shows. The result is borrowed, or NULL.
    let globals = unsafe { ffi::PyEval_GetGlobals() };
    // SAFETY: if not NULL, the running frame keeps it alive until the reference is taken here.
    let globals = unsafe { Bound::from_borrowed_ptr_or_opt(py, globals) }?;
    globals.cast::<PyDict>().ok()?.get_item(intern!(py, "__name__")).ok().flatten()
}
