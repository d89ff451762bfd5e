//! Where a patch is in force: everywhere, or only in one thread or context.

use std::fmt;
use std::thread::{self, ThreadId};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyType};

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

/// The thread or the context in which a patch is in force.
pub(crate) struct Reach {
    /// A callable that says whether that is the current one.
    is_here: Py<PyAny>,
    /// For a context: the variable that is set in it, and what takes that back.
    set: Option<(Py<PyAny>, Py<PyAny>)>,
}

impl Reach {
    /// The current thread or context. `None` is everywhere.
    pub(crate) fn here(py: Python<'_>, scope: Scope) -> PyResult<Option<Self>> {
        Ok(match scope {
            Scope::Process => None,
            Scope::Context => {
                static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
                let class = CLASS.import(py, "contextvars", "ContextVar")?;
                let options = [(intern!(py, "default"), false)].into_py_dict(py)?;
                let variable = class.call((intern!(py, "hotpatch"),), Some(&options))?;
                let token = variable.call_method1(intern!(py, "set"), (true,))?;
                let is_here = variable.getattr(intern!(py, "get"))?.unbind();
                Some(Self { is_here, set: Some((variable.unbind(), token.unbind())) })
            }
            Scope::Thread => {
                let thread = Bound::new(py, Thread(thread::current().id()))?;
                let is_here = thread.getattr(intern!(py, "is_current"))?.unbind();
                Some(Self { is_here, set: None })
            }
        })
    }

    pub(crate) fn is_here<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.is_here.bind(py).clone()
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        let set = self.set.as_ref();
        Self {
            is_here: self.is_here.clone_ref(py),
            set: set.map(|(variable, token)| (variable.clone_ref(py), token.clone_ref(py))),
        }
    }

    /// The same, but what takes it back.
    pub(crate) fn borrowed(&self, py: Python<'_>) -> Self {
        Self { is_here: self.is_here.clone_ref(py), set: None }
    }

    /// Everything that the garbage collector has to know of.
    pub(crate) fn references(&self, mut visit: impl FnMut(&Py<PyAny>)) {
        visit(&self.is_here);
        if let Some((variable, token)) = &self.set {
            visit(variable);
            visit(token);
        }
    }

    /// Takes the variable out of its context, if this is that. Otherwise it goes with the context.
    pub(crate) fn leave(&self, py: Python<'_>) {
        if let Some((variable, token)) = &self.set {
            // Fails in another context.
            let _ = variable.bind(py).call_method1(intern!(py, "reset"), (token,));
        }
    }
}

/// A thread. Unlike `threading.get_ident`, this is not used again for one that begins later.
#[pyclass(frozen, module = "hotpatch._native")]
struct Thread(ThreadId);

#[pymethods]
impl Thread {
    fn is_current(&self) -> bool {
        thread::current().id() == self.0
    }
}
