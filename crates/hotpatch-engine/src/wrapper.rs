//! Objects of `functools` that call what they hold: caches and partial objects.
//!
//! What they hold is exchanged; the objects stay. Their stacks are kept in a table, since the objects
//! have no place for one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType, PyWeakrefReference};

use crate::farewell;
use crate::raw::lru_cache;
use crate::site::{self, Install as _, Site, Stored};

type Stack = crate::stack::Stack<State>;

/// What a wrapper holds. For a cache: its function, and `__wrapped__` if it has that. For partial objects:
/// function, arguments and keywords.
pub(crate) struct State(Py<PyTuple>);

static STACKS: Mutex<BTreeMap<usize, Held>> = Mutex::new(BTreeMap::new());

struct Held {
    /// None while somebody looks at it.
    stack: Option<Box<Stack>>,
    /// Tells when the object goes: see [`forget`].
    watch: Py<PyWeakrefReference>,
}

// Nothing runs Python code while it holds the lock.
fn stacks() -> MutexGuard<'static, BTreeMap<usize, Held>> {
    STACKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is done when a patched wrapper goes.
fn forget(py: Python<'_>, address: usize) {
    let held = stacks().remove(&address);
    if let Some(Held { stack: Some(stack), watch: _watch }) = held {
        (*stack).release(py);
    }
}

impl Stored for State {
    type Body<'py> = Bound<'py, PyTuple>;

    fn bind<'py>(&self, py: Python<'py>) -> Bound<'py, PyTuple> {
        self.0.bind(py).clone()
    }

    fn into_bound(self, py: Python<'_>) -> Bound<'_, PyTuple> {
        self.0.into_bound(py)
    }

    fn unbind(body: Bound<'_, PyTuple>) -> Self {
        Self(body.unbind())
    }

    fn cells<'py>(&self, _: Python<'py>) -> Option<Bound<'py, PyTuple>> {
        None
    }

    fn references(&self, mut visit: impl FnMut(&Py<PyAny>)) {
        visit(self.0.as_any());
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cache,
    Partial,
    PartialMethod,
}

/// The class of such objects in `functools`.
fn class_of(py: Python<'_>, kind: Kind) -> PyResult<&Bound<'_, PyType>> {
    static CLASSES: [PyOnceLock<Py<PyType>>; 3] = [const { PyOnceLock::new() }; 3];
    let name = match kind {
        Kind::Cache => "_lru_cache_wrapper",
        Kind::Partial => "partial",
        Kind::PartialMethod => "partialmethod",
    };
    CLASSES[kind as usize].import(py, "functools", name)
}

/// A cache or a partial object.
#[derive(Clone)]
pub(crate) struct Wrapper<'py> {
    object: Bound<'py, PyAny>,
    kind: Kind,
}

impl<'py> Wrapper<'py> {
    /// Returns `None` if `object` is of none of these kinds.
    pub(crate) fn find(object: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        // By its type: an object can say otherwise of itself.
        let class = object.get_type();
        for kind in [Kind::Cache, Kind::Partial, Kind::PartialMethod] {
            if class.is_subclass(class_of(object.py(), kind)?)? {
                return Ok(Some(Self { object: object.clone(), kind }));
            }
        }
        Ok(None)
    }

    /// The function that it calls.
    pub(crate) fn function(&self) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.kind {
            Kind::Cache => lru_cache::function(&self.object),
            _ => self.object.getattr("func").map(Some),
        }
    }

    /// The state with which it calls `function`, the form of `replacement` that does not change.
    pub(crate) fn calling(
        &self,
        function: Bound<'py, PyAny>,
        replacement: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let py = self.object.py();
        match self.kind {
            Kind::Cache => PyTuple::new(py, [function, replacement.clone()]),
            _ => (function, PyTuple::empty(py), PyDict::new(py)).into_pyobject(py),
        }
    }

    fn state(&self) -> PyResult<Bound<'py, PyTuple>> {
        let get = |name| self.object.getattr(name);
        match self.kind {
            Kind::Cache => {
                let mut held: Vec<_> = self.function()?.into_iter().collect();
                held.extend(self.object.getattr_opt("__wrapped__")?);
                PyTuple::new(self.object.py(), held)
            }
            _ => PyTuple::new(self.object.py(), [get("func")?, get("args")?, get("keywords")?]),
        }
    }

    fn set_state(&self, state: &Bound<'py, PyTuple>) -> PyResult<()> {
        let py = self.object.py();
        match self.kind {
            Kind::Cache => {
                let old = lru_cache::replace(&self.object, state.get_item(0)?);
                match state.get_item(1) {
                    Ok(wrapped) => self.object.setattr("__wrapped__", wrapped)?,
                    Err(_) => self.object.delattr("__wrapped__")?,
                }
                drop(old); // somebody else has a reference: see `Install`
            }
            Kind::Partial => {
                let [function, arguments, keywords] = [0, 1, 2].map(|index| state.get_item(index));
                let whole = (function?, arguments?, keywords?, self.object.getattr("__dict__")?);
                class_of(py, Kind::Partial)?.call_method1("__setstate__", (&self.object, whole))?;
            }
            Kind::PartialMethod => {
                for (index, name) in ["func", "args", "keywords"].into_iter().enumerate() {
                    self.object.setattr(name, state.get_item(index)?)?;
                }
            }
        }
        Ok(())
    }

    fn address(&self) -> usize {
        self.object.as_ptr().addr()
    }
}

/// Whether two states hold the same objects.
fn is_same(one: &Bound<'_, PyTuple>, other: &Bound<'_, PyTuple>) -> bool {
    one.len() == other.len() && one.iter().zip(other.iter()).all(|(one, other)| one.is(&other))
}

impl<'py> Site<'py> for Wrapper<'py> {
    type Stored = State;
    type Seen = PyResult<Bound<'py, PyTuple>>;
    type Install = Install<'py>;

    fn new(object: &Bound<'py, PyAny>) -> Option<Self> {
        Self::find(object).ok()?
    }

    fn as_any(&self) -> &Bound<'py, PyAny> {
        &self.object
    }

    fn with_stack<T>(&self, action: impl FnOnce(&mut Stack) -> T) -> Option<T> {
        let take = || stacks().get_mut(&self.address())?.stack.take();
        let mut stack = take()?;
        let outcome = action(&mut stack);
        let mut stacks = stacks();
        if let Some(held) = stacks.get_mut(&self.address()) {
            held.stack = Some(stack);
        }
        Some(outcome)
    }

    fn seen(&self) -> PyResult<Bound<'py, PyTuple>> {
        self.state()
    }

    fn body(&self) -> PyResult<Bound<'py, PyTuple>> {
        self.state()
    }

    fn cells_of<'a>(_: &'a Bound<'py, PyTuple>) -> Option<&'a Bound<'py, PyTuple>> {
        None
    }

    fn has_body(&self, body: &State) -> bool {
        self.state().is_ok_and(|state| is_same(&state, body.0.bind(self.object.py())))
    }

    /// Empties a cache.
    fn settle(&self) {
        if self.kind == Kind::Cache
            && let Err(error) = self.object.call_method0("cache_clear")
        {
            error.write_unraisable(self.object.py(), Some(&self.object));
        }
    }

    fn twin(&self, body: Bound<'py, PyTuple>) -> PyResult<Self> {
        let functools = self.object.py().import("functools")?;
        let function = body.get_item(0)?;
        let object = match self.kind {
            // Nothing would empty a cache of its own when a patch below is undone.
            Kind::Cache => functools.call_method1("lru_cache", (0,))?.call1((function,))?,
            Kind::Partial => functools.call_method1("partial", (function,))?,
            Kind::PartialMethod => functools.call_method1("partialmethod", (function,))?,
        };
        let twin = Self { object, kind: self.kind };
        drop(twin.prepare(twin.seen(), body, false, None)?.commit(None));
        Ok(twin)
    }

    fn prepare(
        &self,
        seen: PyResult<Bound<'py, PyTuple>>,
        state: Bound<'py, PyTuple>,
        has_stack: bool,
        _cells: Option<&Bound<'py, PyTuple>>,
    ) -> PyResult<Install<'py>> {
        let watch = has_stack.then(|| farewell::watch(&self.object, forget)).transpose()?;
        Ok(Install { wrapper: self.clone(), seen: seen?, state, watch })
    }
}

/// A state that is ready to be given to a wrapper. It owns what the wrapper has until then.
pub(crate) struct Install<'py> {
    wrapper: Wrapper<'py>,
    seen: Bound<'py, PyTuple>,
    state: Bound<'py, PyTuple>,
    watch: Option<Bound<'py, PyWeakrefReference>>,
}

/// What a wrapper had.
pub(crate) struct Replaced<'py> {
    _seen: Bound<'py, PyTuple>,
    _watch: Option<Bound<'py, PyWeakrefReference>>,
}

impl<'py> site::Install<State> for Install<'py> {
    type Replaced = Replaced<'py>;

    fn announce(&self) -> PyResult<()> {
        Ok(())
    }

    fn is_current(&self) -> bool {
        self.wrapper.state().is_ok_and(|state| is_same(&state, &self.seen))
    }

    fn take_stack(&self) -> Option<Box<Stack>> {
        stacks().get_mut(&self.wrapper.address())?.stack.take()
    }

    fn commit(self, stack: Option<Box<Stack>>) -> Replaced<'py> {
        let Self { wrapper, seen, state, watch } = self;
        let watch = {
            let mut stacks = stacks();
            let before = match (stack, watch) {
                (Some(stack), Some(watch)) => {
                    let held = Held { stack: Some(stack), watch: watch.unbind() };
                    stacks.insert(wrapper.address(), held)
                }
                _ => stacks.remove(&wrapper.address()),
            };
            before.map(|held| held.watch.into_bound(wrapper.object.py()))
        };
        if let Err(error) = wrapper.set_state(&state) {
            error.write_unraisable(wrapper.object.py(), Some(&wrapper.object));
        }
        Replaced { _seen: seen, _watch: watch }
    }
}
