//! The functions that Cython makes: objects of its type `cython_function_or_method`.
//!
//! They begin as builtin functions do. Each way of calling them reads the address and the flags of the
//! C function from their definition: `__Pyx_CyFunction_CallAsMethod`, `__Pyx_CyFunction_Vectorcall_O` and
//! its like (Cython/Utility/CythonFunction.c, 0.29 to 3.3), and code compiled by Cython itself
//! (`__Pyx_PyObject_CallMethO`, Cython/Utility/ObjectHandling.c). So they are patched as methods are. The
//! C function gets the function object as its receiver, or in a `cdef class` the first argument.

use std::ffi::CStr;
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::call::call_any;
use super::detour::Object;
use super::pool::{self, Whose};

const NAME: &str = "cython_function_or_method";

/// The name of the type with that of its module: since Cython 3 it tells the version of Cython.
fn type_name<'a>(object: &'a Bound<'_, PyAny>) -> &'a CStr {
    // SAFETY: a type is live as long as its instances.
    let name = unsafe { (*object.get_type_ptr()).tp_name };
    // SAFETY: the name of a type is a C string, and that of a type of C code stays.
    unsafe { CStr::from_ptr(name) }
}

/// Whether it is a function that Cython made, whose fields are where hotpatch expects them.
pub(super) fn is_function(object: &Bound<'_, PyAny>) -> bool {
    let name = type_name(object).to_bytes();
    if name.rsplit(|byte| *byte == b'.').next() != Some(NAME.as_bytes()) {
        return false;
    }
    // SAFETY: a type is live as long as its instances.
    let class = unsafe { &*object.get_type_ptr() };
    let weak_references = std::mem::offset_of!(Object, weak_references);
    // With the limited API the fields are others; the list of weak references is elsewhere then.
    class.tp_basicsize.unsigned_abs() >= size_of::<Object>()
        && usize::try_from(class.tp_weaklistoffset) == Ok(weak_references)
        && is_written_in_c(&object.get_type()).unwrap_or(false)
}

/// Whether a class has the attribute `func_code` of its own: only C code can give it such a descriptor.
fn is_written_in_c(class: &Bound<'_, PyType>) -> PyResult<bool> {
    let found = class.getattr("__dict__")?.call_method1("get", ("func_code",))?;
    let is_descriptor = found.get_type_ptr() == &raw mut ffi::PyGetSetDescr_Type;
    Ok(is_descriptor && found.getattr("__objclass__")?.is(class))
}

/// Whether the flags of its `__code__` tell of what kind it is: they do since Cython 3.
pub(super) fn knows_its_kind(object: &Bound<'_, PyAny>) -> bool {
    type_name(object).to_bytes().starts_with(b"_cython_3")
}

/// The definition of a function that Cython made.
pub(super) fn definition(object: &Bound<'_, PyAny>) -> *mut ffi::PyMethodDef {
    // SAFETY: callers have asked `is_function`, so the object has this layout.
    unsafe { &*object.as_ptr().cast::<Object>() }.definition.get()
}

/// A builtin function that calls the C function of `definition` as `function` would.
pub(super) fn builtin<'py>(
    function: &Bound<'py, PyAny>,
    definition: *mut ffi::PyMethodDef,
) -> PyResult<Bound<'py, PyAny>> {
    let module = function.getattr("__module__")?;
    let (receiver, module) = (function.as_ptr(), module.as_ptr());
    // SAFETY: the definition is never freed, and the others are live. With `METH_METHOD` this is an
    // error: it needs a class then.
    let made = unsafe { ffi::PyCMethod_New(definition, receiver, module, ptr::null_mut()) };
    // SAFETY: the result is a new reference, or NULL with an error set.
    unsafe { Bound::from_owned_ptr_or_err(function.py(), made) }
}

/// The class that has a method in its namespace, by the qualified name; `object` if none has it there.
pub(super) fn class<'py>(function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyType>> {
    let py = function.py();
    let modules = py.import("sys")?.getattr("modules")?;
    let mut found = modules.call_method1("get", (function.getattr("__module__")?,))?;
    let path: String = function.getattr("__qualname__")?.extract()?;
    let (class, name) = path.rsplit_once('.').unwrap_or_default();
    for part in class.split('.') {
        found = found.getattr_opt(part)?.unwrap_or_else(|| py.None().into_bound(py));
    }
    if let Ok(class) = found.cast_into::<PyType>()
        && class.getattr("__dict__")?.call_method1("get", (name,))?.is(function)
    {
        return Ok(class);
    }
    Ok(py.get_type::<PyAny>())
}

/// Returns the first of its arguments.
#[pyclass(frozen, module = "hotpatch._native")]
struct First;

#[pymethods]
impl First {
    #[expect(clippy::unused_self, reason = "Python passes it")]
    #[pyo3(signature = (*arguments, **keywords))]
    fn __call__<'py>(
        &self,
        arguments: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = keywords;
        arguments.get_item(0)
    }
}

/// Keeps the garbage collector from running Python code.
struct WithoutCollections {
    was_enabled: bool,
}

impl WithoutCollections {
    fn new(_: Python<'_>) -> Self {
        // SAFETY: this thread has the GIL.
        Self { was_enabled: unsafe { ffi::PyGC_Disable() } == 1 }
    }
}

impl Drop for WithoutCollections {
    fn drop(&mut self) {
        if self.was_enabled {
            // SAFETY: this thread has the GIL, as it had when this was made.
            unsafe { ffi::PyGC_Enable() };
        }
    }
}

/// Whether the C function gets the first argument as its receiver, and not the function object.
///
/// That is a flag in a field whose place depends on the version of Cython. So a call is made and the
/// receiver looked at, with something else in the place of the C function. No Python code runs meanwhile.
pub(super) fn has_receiver(function: &Bound<'_, PyAny>, index: usize) -> PyResult<bool> {
    let py = function.py();
    let (first, argument) = (Bound::new(py, First)?, PyTuple::empty(py).into_any());
    // SAFETY: a definition lives as long as the objects that point to it.
    let takes_one_argument = unsafe { (*definition(function)).ml_flags } & ffi::METH_O != 0;
    let _pause = WithoutCollections::new(py);
    let exchange = |callable, entry| {
        let old = pool::with_route(index, Whose::Everyone, |route| {
            route.entry.set(entry);
            route.needs_reference.set(true);
            route.callable.replace(callable)
        });
        pool::connect(index);
        old
    };
    exchange(ptr::NonNull::new(first.as_ptr()), Some(call_any));
    // So many that all are taken only if the first is the receiver.
    let receiver = if takes_one_argument {
        function.call1((&argument, &argument))
    } else {
        function.call1((&argument,))
    };
    exchange(None, None);
    Ok(receiver.is_ok_and(|receiver| receiver.is(&argument)))
}
