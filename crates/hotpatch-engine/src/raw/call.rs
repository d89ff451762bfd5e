//! How what a call is led to is called.

use pyo3::ffi;
use pyo3::prelude::*;

/// `PyObject_Vectorcall`, which is an inline function in the headers of 3.10.
pub(super) unsafe extern "C" fn call_any(
    callable: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the arguments are passed on as they came.
    unsafe { ffi::PyObject_Vectorcall(callable, arguments, count, keywords) }
}

/// Whether what is called takes a reference to itself before it runs any code, so that who calls it needs
/// none: a Python function's frame does, since 3.11 (`_PyEval_Vector`, Python/ceval.c, 3.11 to 3.15).
pub(super) fn keeps_itself(callable: &Bound<'_, PyAny>) -> bool {
    // SAFETY: a live object.
    cfg!(Py_3_11) && unsafe { ffi::PyFunction_Check(callable.as_ptr()) } == 1
}

/// The quickest way to call what a call is led to.
///
/// A function, builtin function or method that we have made for it is nobody else's, so its entry stays
/// what it is. `PyObject_Vectorcall` would look it up each time, and check the result once more.
pub(super) fn entry_of(callable: &Bound<'_, PyAny>) -> ffi::vectorcallfunc {
    let ours = [
        &raw mut ffi::PyFunction_Type,
        &raw mut ffi::PyCFunction_Type,
        &raw mut ffi::PyMethodDescr_Type,
    ];
    let own = if ours.contains(&callable.get_type_ptr()) {
        // SAFETY: a live object.
        unsafe { ffi::PyVectorcall_Function(callable.as_ptr()) }
    } else {
        None
    };
    own.unwrap_or(call_any)
}
