//! Where a patch is in force: everywhere, or only in one thread or context.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;

use crate::raw::context;

/// Which calls of the target a patch is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All.
    #[default]
    Process,
    /// Those in the `contextvars` context in which the patch was made, and in those copied from it since.
    Context,
    /// Those in the thread in which the patch was made.
    Thread,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Process, Self::Context, Self::Thread];

    /// Its name in Python.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Context => "context",
            Self::Thread => "thread",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The thread or the context in which a patch is in force. It is true there, and false elsewhere.
#[pyclass(frozen, module = "hotpatch._native")]
pub(crate) enum Where {
    /// That in which a variable is set.
    Context { variable: Py<PyAny> },
    /// That with this number.
    Thread { number: u64 },
}

#[pymethods]
impl Where {
    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        self.is_here(py)
    }
}

impl Where {
    /// Whether that is the current one. Runs no Python code.
    #[inline]
    pub(crate) fn is_here(&self, py: Python<'_>) -> PyResult<bool> {
        match self {
            Self::Context { variable } => context::is_set(variable.bind(py)),
            Self::Thread { number } => Ok(current_thread() == *number),
        }
    }
}

/// The number of the current thread. Unlike `threading.get_ident`, it is not used again for one that begins
/// later.
fn current_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static NUMBER: Cell<u64> = const { Cell::new(0) };
    }
    if NUMBER.get() == 0 {
        NUMBER.set(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    NUMBER.get()
}

/// Where a patch is in force, and what ends that.
pub(crate) struct Reach {
    place: Py<Where>,
    /// For a context: what takes back that its variable is set.
    token: Option<Py<PyAny>>,
}

impl Reach {
    /// The current thread or context. `None` is everywhere.
    pub(crate) fn here(py: Python<'_>, scope: Scope) -> PyResult<Option<Self>> {
        let (place, token) = match scope {
            Scope::Process => return Ok(None),
            Scope::Context => {
                let variable = context::variable(py)?;
                let token = context::set(&variable)?;
                (Where::Context { variable: variable.unbind() }, Some(token.unbind()))
            }
            Scope::Thread => (Where::Thread { number: current_thread() }, None),
        };
        Ok(Some(Self { place: Py::new(py, place)?, token }))
    }

    pub(crate) fn place<'py>(&self, py: Python<'py>) -> &Bound<'py, Where> {
        self.place.bind(py)
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        let token = self.token.as_ref().map(|token| token.clone_ref(py));
        Self { place: self.place.clone_ref(py), token }
    }

    /// The same, but what takes it back.
    pub(crate) fn borrowed(&self, py: Python<'_>) -> Self {
        Self { place: self.place.clone_ref(py), token: None }
    }

    /// Everything that the garbage collector has to know of.
    pub(crate) fn references(&self, mut visit: impl FnMut(&Py<PyAny>)) {
        visit(self.place.as_any());
        self.token.iter().for_each(visit);
    }

    /// Takes the variable out of its context, if this is that. Otherwise it goes with the context.
    pub(crate) fn leave(&self, py: Python<'_>) {
        if let (Where::Context { variable }, Some(token)) = (self.place.get(), &self.token) {
            // Fails in another context.
            let _ = context::reset(variable.bind(py), token.bind(py));
        }
    }
}
