//! Where the stack of a wrapper is.
//!
//! Objects of `functools` have no place for a stack: while one is patched, the function in it keeps the
//! stack, so that the garbage collector finds it, and a table tells where it is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::pyclass::{PyTraverseError, PyVisit};
use pyo3::types::PyWeakrefReference;

use crate::wrapper::State;

pub(crate) type Stack = crate::stack::Stack<State>;

/// Keeps the stack of one patched wrapper. The functions of all its patches keep this.
#[pyclass(frozen, weakref, module = "hotpatch._native")]
pub(crate) struct Holder(pub(crate) Mutex<Option<Box<Stack>>>);

impl Holder {
    // Nothing runs Python code while it holds the lock.
    pub(crate) fn replace(&self, stack: Option<Box<Stack>>) -> Option<Box<Stack>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *held, stack)
    }
}

#[pymethods]
impl Holder {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut outcome = Ok(());
        if let Ok(held) = self.0.try_lock()
            && let Some(stack) = held.as_ref()
        {
            stack.references(|object| {
                if outcome.is_ok() {
                    outcome = visit.call(object);
                }
            });
        }
        outcome
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if let Some(stack) = self.replace(None) {
            Python::attach(|py| (*stack).release(py));
        }
    }
}

/// The patched wrappers, by their address.
static PATCHED: Mutex<BTreeMap<usize, Held>> = Mutex::new(BTreeMap::new());

pub(crate) struct Held {
    pub(crate) holder: Py<PyWeakrefReference>,
    /// Tells when the object goes: see [`forget`].
    pub(crate) watch: Py<PyWeakrefReference>,
}

// Nothing runs Python code while it holds the lock.
pub(crate) fn patched() -> MutexGuard<'static, BTreeMap<usize, Held>> {
    PATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What keeps the stack of the wrapper at an address.
pub(crate) fn holder_at(py: Python<'_>, address: usize) -> Option<Bound<'_, Holder>> {
    let holder = patched().get(&address)?.holder.clone_ref(py);
    holder.bind(py).upgrade()?.cast_into().ok()
}

/// What is done when a patched wrapper goes.
pub(crate) fn forget(py: Python<'_>, address: usize) {
    let holder = holder_at(py, address);
    let held = patched().remove(&address);
    if let Some(stack) = holder.and_then(|holder| holder.get().replace(None)) {
        (*stack).release(py);
    }
    drop(held);
}
