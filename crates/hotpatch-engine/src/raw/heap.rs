//! Looking through all objects that there are.

#[cfg(Py_3_12)]
use std::ffi::{c_int, c_void};

#[cfg(Py_3_12)]
use pyo3::ffi;
use pyo3::prelude::*;

use super::function::Function;
use crate::site::Site as _;

/// The Python functions that are wanted. To look at one must make no object that the collector knows.
///
/// Those that `gc.freeze()` was called for are not found, nor are they by `gc.get_objects()`.
pub(crate) fn functions<'py>(
    py: Python<'py>,
    mut is_wanted: impl FnMut(&Function<'py>) -> bool,
) -> PyResult<Vec<Function<'py>>> {
    let mut search = Search { py, is_wanted: &mut is_wanted, found: Vec::new() };
    search.run()?;
    Ok(search.found)
}

struct Search<'a, 'py> {
    py: Python<'py>,
    is_wanted: &'a mut dyn FnMut(&Function<'py>) -> bool,
    found: Vec<Function<'py>>,
}

impl<'py> Search<'_, 'py> {
    fn look_at(&mut self, object: &Bound<'py, PyAny>) {
        if let Some(function) = Function::new(object)
            && (self.is_wanted)(&function)
        {
            self.found.push(function);
        }
    }

    /// Before 3.12 CPython makes a list of all objects for that.
    #[cfg(not(Py_3_12))]
    fn run(&mut self) -> PyResult<()> {
        let objects = self.py.import("gc")?.call_method0("get_objects")?;
        for object in objects.cast_into::<pyo3::types::PyList>()? {
            self.look_at(&object);
        }
        Ok(())
    }

    #[cfg(Py_3_12)]
    #[expect(clippy::unnecessary_wraps, reason = "other versions can fail")]
    fn run(&mut self) -> PyResult<()> {
        unsafe extern "C" {
            // pyo3-ffi does not declare it.
            fn PyUnstable_GC_VisitObjects(
                callback: extern "C" fn(*mut ffi::PyObject, *mut c_void) -> c_int,
                argument: *mut c_void,
            );
        }
        extern "C" fn visit(object: *mut ffi::PyObject, search: *mut c_void) -> c_int {
            // SAFETY: `run` passes itself, and nobody else uses it meanwhile.
            let search = unsafe { &mut *search.cast::<Search<'_, '_>>() };
            // SAFETY: CPython passes objects that are alive, with the GIL held.
            let object = unsafe { Borrowed::from_ptr(search.py, object) };
            search.look_at(&object);
            1 // go on
        }
        let this: *mut Self = self;
        // SAFETY: the callback makes no object that the collector knows, and gives up no reference that is
        // the last one (`PyUnstable_GC_VisitObjects`, Python/gc.c).
        unsafe { PyUnstable_GC_VisitObjects(visit, this.cast()) };
        Ok(())
    }
}
