//! What a builtin function points to while its calls go elsewhere.
//!
//! Such an object points to a definition (`PyMethodDef`: name, address, calling convention, doc) that
//! other objects can share, and has an entry for calls (`vectorcall`). A detour gives it a definition
//! of its own, equal to the other but for the calling convention, and an entry that calls something
//! else. The parts of CPython that would call the C function themselves find no convention that they
//! know and take the entry: the specialised instructions compare `ml_flags` (`CALL_BUILTIN_O` and the
//! like, Python/bytecodes.c, 3.11 to 3.15), and `cfunction_call` (Objects/methodobject.c) looks for
//! `METH_VARARGS`. The address stays, since hash and equality are made of it.

use std::cell::{Cell, UnsafeCell};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;

use super::builtin::Stack;
use super::call::call_any;

/// `PyCFunctionObject` (Include/cpython/methodobject.h, 3.10 to 3.15).
#[repr(C)]
pub(super) struct Object {
    head: UnsafeCell<ffi::PyObject>,
    pub(super) definition: Cell<*mut ffi::PyMethodDef>,
    pub(super) receiver: Cell<*mut ffi::PyObject>,
    pub(super) module: Cell<*mut ffi::PyObject>,
    pub(super) weak_references: Cell<*mut ffi::PyObject>,
    pub(super) entry: Cell<Option<ffi::vectorcallfunc>>,
}

/// The definition of a builtin function whose calls go elsewhere. Never freed.
#[repr(C)]
pub(super) struct Detour {
    /// First: this is what the object points to.
    pub(super) definition: Cell<ffi::PyMethodDef>,
    pub(super) own_definition: Cell<*mut ffi::PyMethodDef>,
    pub(super) own_entry: Cell<Option<ffi::vectorcallfunc>>,
    /// What the definition has for a doc, if it is not the object's own.
    pub(super) doc: Cell<Option<CString>>,
    /// An object with the same C function that never changes, for other interpreters; NULL while the object
    /// does not point here, or if there can be no such calls.
    pub(super) unpatched: Cell<*mut ffi::PyObject>,
    /// Whether there can be calls in other interpreters than this.
    pub(super) is_shared: Cell<bool>,
    pub(super) interpreter: Cell<*mut ffi::PyInterpreterState>,
    /// Where the calls go; NULL while the object does not point here.
    pub(super) callable: Cell<*mut ffi::PyObject>,
    pub(super) callable_entry: Cell<ffi::vectorcallfunc>,
    pub(super) stack: Cell<Option<Box<Stack>>>,
}

impl Detour {
    pub(super) fn make() -> &'static Self {
        Box::leak(Box::new(Self {
            definition: Cell::new(ffi::PyMethodDef::zeroed()),
            own_definition: Cell::new(ptr::null_mut()),
            own_entry: Cell::new(None),
            doc: Cell::new(None),
            unpatched: Cell::new(ptr::null_mut()),
            is_shared: Cell::new(true),
            interpreter: Cell::new(ptr::null_mut()),
            callable: Cell::new(ptr::null_mut()),
            callable_entry: Cell::new(call_any),
            stack: Cell::new(None),
        }))
    }

    /// What an object with this detour points to.
    pub(super) fn as_definition(&self) -> *mut ffi::PyMethodDef {
        self.definition.as_ptr()
    }
}

/// The detours of all builtin functions that were ever patched and are still there.
///
/// An object gets the same one again when it is patched again, and a detour whose object is gone goes to
/// another: CPython hands definitions about without counting who has them, so none is ever freed.
static DETOURS: Mutex<Detours> = Mutex::new(Detours { held: BTreeMap::new(), unused: Vec::new() });

pub(super) struct Detours {
    /// By the address of the object.
    pub(super) held: BTreeMap<usize, Held>,
    pub(super) unused: Vec<&'static Detour>,
}

pub(super) struct Held {
    pub(super) detour: &'static Detour,
    /// Tells when the object goes: see [`forget`].
    pub(super) watch: Py<PyWeakrefReference>,
}

// SAFETY: whoever uses a detour has the GIL.
unsafe impl Send for Detours {}

pub(super) fn detours() -> MutexGuard<'static, Detours> {
    DETOURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is done when a builtin function that has a detour goes.
pub(super) fn forget(py: Python<'_>, address: usize) {
    let held = detours().held.remove(&address);
    let Some(Held { detour, watch: _watch }) = held else {
        return;
    };
    let object = ptr::with_exposed_provenance::<Object>(address);
    // SAFETY: CPython tells of the end of an object while its memory is still its own.
    leave(unsafe { &*object }, detour);
    let stack = detour.stack.take();
    let owned = [&detour.callable, &detour.unpatched].map(|it| it.replace(ptr::null_mut()));
    detours().unused.push(detour);
    if let Some(stack) = stack {
        (*stack).release(py);
    }
    for owned in owned {
        // SAFETY: the detour has given up this reference. It can be NULL.
        drop(unsafe { Bound::from_owned_ptr_or_opt(py, owned) });
    }
}

/// Lets a builtin function call its own C function again.
pub(super) fn leave(object: &Object, detour: &Detour) {
    if object.definition.get() == detour.as_definition() {
        // The entry goes first: it relies on the definition.
        object.entry.set(detour.own_entry.get());
        object.definition.set(detour.own_definition.get());
    }
}

/// The entry of a builtin function with a detour: of one that other interpreters share, to something that
/// needs a reference while it is called.
unsafe extern "C" fn enter<const IS_SHARED: bool, const NEEDS_REFERENCE: bool>(
    function: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: only a builtin function has this entry, and it is live while it is called.
    let object = unsafe { &*function.cast::<Object>() };
    // SAFETY: only an object that points to a detour has this entry.
    let detour = unsafe { &*object.definition.get().cast::<Detour>() };
    let (mut callable, mut entry) = (detour.callable.get(), detour.callable_entry.get());
    let mut is_elsewhere = false;
    if IS_SHARED {
        // SAFETY: who calls has the GIL, and so an interpreter.
        let interpreter = unsafe { ffi::PyInterpreterState_Get() };
        is_elsewhere = interpreter != detour.interpreter.get();
        if is_elsewhere {
            (callable, entry) = (detour.unpatched.get(), call_any);
        }
    }
    if !NEEDS_REFERENCE && !is_elsewhere {
        // SAFETY: the arguments are passed on as they came, and what is called keeps itself.
        return unsafe { entry(callable, arguments, count, keywords) };
    }
    // SAFETY: the detour owns it. It can let go of it during the call: hence a reference of our own.
    unsafe { ffi::Py_INCREF(callable) };
    // SAFETY: the arguments are passed on as they came, with what the caller allows to be done to them.
    let result = unsafe { entry(callable, arguments, count, keywords) };
    // SAFETY: the reference taken above.
    unsafe { ffi::Py_DECREF(callable) };
    result
}

pub(super) const ENTRIES: [[ffi::vectorcallfunc; 2]; 2] =
    [[enter::<false, false>, enter::<false, true>], [enter::<true, false>, enter::<true, true>]];
