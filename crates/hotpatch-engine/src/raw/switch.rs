//! The object that code with a patch for some calls only asks at each call: see [`crate::graft`].
//!
//! A type made by hand, because it is asked by those whom the patch does not concern: the guard around
//! the methods of a `#[pyclass]` would be half of what they pay.

use std::ffi::{c_int, c_void};
use std::mem::offset_of;

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyWeakrefMethods, PyWeakrefReference};

use super::code::references;
use super::function::Function;
use crate::scope::Where;
use crate::site::Site as _;

static TYPE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

#[repr(C)]
struct Layout {
    base: ffi::PyObject,
    state: State,
}

struct State {
    place: Py<Where>,
    replacement: Py<PyWeakrefReference>,
}

impl State {
    fn new(place: &Bound<'_, Where>, replacement: &Function<'_>) -> PyResult<Self> {
        let replacement = PyWeakrefReference::new(replacement.as_any())?.unbind();
        Ok(Self { place: place.clone().unbind(), replacement })
    }

    /// Does not wait for the next call of `PyO3`, as the destructors do where CPython calls.
    fn drop(self, py: Python<'_>) {
        self.place.drop_ref(py);
        self.replacement.drop_ref(py);
    }
}

/// An object whose `~` is a function where a patch is in force, and None elsewhere.
pub(crate) struct Switch<'py>(Bound<'py, PyAny>);

impl<'py> Switch<'py> {
    /// Refers to `replacement` weakly.
    pub(crate) fn new(place: &Bound<'py, Where>, replacement: &Function<'py>) -> PyResult<Self> {
        let py = place.py();
        let class = TYPE.get_or_try_init(py, || make_type(py))?;
        let state = State::new(place, replacement)?;
        // SAFETY: `class` is a ready type without items.
        let raw = unsafe { ffi::PyType_GenericAlloc(class.as_ptr().cast(), 0) };
        // SAFETY: the result is a new reference, or NULL with an error set.
        let object = unsafe { Bound::from_owned_ptr_or_err(py, raw) }?;
        // SAFETY: the object has this layout, and nobody else knows it yet. What is there is only zeroes.
        unsafe { state_of(raw).write(state) };
        Ok(Self(object))
    }

    /// Makes code ask for another patch than until now. Returns `false` if somebody else than the caller, who
    /// has one reference, has the code, its constants or its switch.
    pub(crate) fn turn(
        code: &Bound<'py, PyAny>,
        place: &Bound<'py, Where>,
        replacement: &Function<'py>,
    ) -> PyResult<bool> {
        let constants = constants_of(code)?;
        let Some(switch) = Self::last_of(&constants) else {
            return Ok(false);
        };
        let state = State::new(place, replacement)?;
        let is_free = references(code) == 1
            && references(&constants) == 2
            && references(switch.as_any()) == 2;
        if is_free {
            // SAFETY: `new` made the object. Nobody looks at its state now: that is done by who has a
            // reference, with the GIL, and without running Python code.
            let before = unsafe { state_of(switch.0.as_ptr()).replace(state) };
            before.drop(place.py());
        }
        Ok(is_free)
    }

    /// The switch that code asks, if it is made by [`crate::graft`].
    pub(crate) fn of_code(code: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        Ok(Self::last_of(&constants_of(code)?))
    }

    fn last_of(constants: &Bound<'py, PyTuple>) -> Option<Self> {
        let last = constants.iter().next_back()?;
        let class = TYPE.get(last.py())?;
        let is_ours = last.get_type_ptr().cast() == class.as_ptr();
        is_ours.then_some(Self(last))
    }

    pub(crate) fn as_any(&self) -> &Bound<'py, PyAny> {
        &self.0
    }

    /// Where the patch is in force.
    pub(crate) fn place(&self) -> Bound<'py, Where> {
        self.state().place.bind(self.0.py()).clone()
    }

    /// Unless it is gone.
    pub(crate) fn replacement(&self) -> Option<Function<'py>> {
        let replacement = self.state().replacement.bind(self.0.py()).upgrade();
        replacement.as_ref().and_then(Function::new)
    }

    fn state(&self) -> &State {
        // SAFETY: `new` made the object, and `self` keeps it alive. Callers take what they need at once,
        // and the state changes only in `turn`.
        unsafe { &*state_of(self.0.as_ptr()) }
    }
}

fn constants_of<'py>(code: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    Ok(code.getattr(intern!(code.py(), "co_consts"))?.cast_into()?)
}

/// Where an instance has its state.
fn state_of(switch: *mut ffi::PyObject) -> *mut State {
    switch.wrapping_byte_add(offset_of!(Layout, state)).cast()
}

/// Makes the heap type. Its instances can be in no cycle, since they refer to nothing that refers to anything.
fn make_type(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let mut slots = [
        ffi::PyType_Slot { slot: ffi::Py_nb_invert, pfunc: invert as *mut c_void },
        ffi::PyType_Slot { slot: ffi::Py_tp_dealloc, pfunc: dealloc as *mut c_void },
        ffi::PyType_Slot { slot: 0, pfunc: std::ptr::null_mut() },
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT
        | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION
        | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    let mut spec = ffi::PyType_Spec {
        name: c"hotpatch._native.Switch".as_ptr(),
        basicsize: c_int::try_from(size_of::<Layout>())?,
        itemsize: 0,
        flags: flags.try_into()?,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the slots end with the empty one, their functions have the C signatures that the
    // slots ask for, and CPython copies what it needs of `spec`.
    let class = unsafe { ffi::PyType_FromSpec(&raw mut spec) };
    // SAFETY: the result is a new reference, or NULL with an error set.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, class) }?;
    Ok(class.unbind())
}

/// Runs no Python code, so that a call which is just starting still finds what it began with.
extern "C" fn invert(switch: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls slots with the GIL held.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: a live instance of the type, whose state does not change meanwhile: see `turn`.
    let state = unsafe { &*state_of(switch) };
    match state.place.get().is_here(py) {
        Ok(false) => py.None().into_ptr(),
        Ok(true) => match state.replacement.bind(py).upgrade() {
            Some(replacement) => replacement.into_ptr(),
            None => py.None().into_ptr(),
        },
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}

extern "C" fn dealloc(switch: *mut ffi::PyObject) {
    // SAFETY: CPython calls slots with the GIL held.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: CPython calls this once, with the last reference gone, and `new` has written the state: it is
    // taken out of memory that is about to go.
    let state = unsafe { state_of(switch).read() };
    state.drop(py);
    // SAFETY: the object is still allocated.
    let class = unsafe { ffi::Py_TYPE(switch) };
    // SAFETY: the memory came from PyType_GenericAlloc of a type without the collector's header.
    unsafe { ffi::PyObject_Free(switch.cast()) };
    // SAFETY: an instance of a heap type owns a reference to its type (3.8).
    unsafe { ffi::Py_DECREF(class.cast()) };
}
