//! Objects of `functools` that call what they hold: caches and partial objects.
//!
//! What they hold is exchanged; the objects stay. Their stacks are kept in a table, since the objects
//! have no place for one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyDict, PyTuple, PyType, PyWeakrefReference};

use crate::farewell;
use crate::raw::lru_cache;
use crate::site::{self, Install as _, Site, Stored};

type Stack = crate::stack::Stack<State>;

/// What a wrapper holds. For a cache: its function, and `__wrapped__` if it has that. For partial objects:
/// function, arguments and keywords.
type Fields<'py> = [Option<Bound<'py, PyAny>>; 3];

/// [`Fields`] that are kept.
pub(crate) struct State([Option<Py<PyAny>>; 3]);

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
    type Body<'py> = Fields<'py>;

    fn bind<'py>(&self, py: Python<'py>) -> Fields<'py> {
        self.0.each_ref().map(|field| field.as_ref().map(|object| object.bind(py).clone()))
    }

    fn into_bound(self, py: Python<'_>) -> Fields<'_> {
        self.0.map(|field| field.map(|object| object.into_bound(py)))
    }

    fn unbind(body: Fields<'_>) -> Self {
        Self(body.map(|field| field.map(Bound::unbind)))
    }

    fn cells<'py>(&self, _: Python<'py>) -> Option<Bound<'py, PyTuple>> {
        None
    }

    fn references(&self, visit: impl FnMut(&Py<PyAny>)) {
        self.0.iter().flatten().for_each(visit);
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
            let base = class_of(object.py(), kind)?;
            if class.is(base) || class.is_subclass(base)? {
                return Ok(Some(Self { object: object.clone(), kind }));
            }
        }
        Ok(None)
    }

    /// The function that it calls.
    pub(crate) fn function(&self) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.kind {
            Kind::Cache => lru_cache::function(&self.object),
            _ => self.object.getattr(intern!(self.object.py(), "func")).map(Some),
        }
    }

    /// The state with which it calls `function`, the form of `replacement` that does not change.
    pub(crate) fn calling(
        &self,
        function: Bound<'py, PyAny>,
        replacement: &Bound<'py, PyAny>,
    ) -> Fields<'py> {
        let py = self.object.py();
        if self.kind == Kind::Cache {
            return [Some(function), Some(replacement.clone()), None];
        }
        let nothing = (PyTuple::empty(py).into_any(), PyDict::new(py).into_any());
        [Some(function), Some(nothing.0), Some(nothing.1)]
    }

    fn state(&self) -> PyResult<Fields<'py>> {
        let py = self.object.py();
        let get = |name| self.object.getattr(name).map(Some);
        Ok(match self.kind {
            Kind::Cache => {
                [self.function()?, self.object.getattr_opt(intern!(py, "__wrapped__"))?, None]
            }
            _ => [self.function()?, get(intern!(py, "args"))?, get(intern!(py, "keywords"))?],
        })
    }

    fn set_state(&self, state: &Fields<'py>) -> PyResult<()> {
        static SET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = self.object.py();
        let [function, second, third] = state;
        match self.kind {
            Kind::Cache => {
                let old = match function {
                    Some(function) => lru_cache::replace(&self.object, function.clone()),
                    None => None,
                };
                match second {
                    Some(wrapped) => self.object.setattr(intern!(py, "__wrapped__"), wrapped)?,
                    None => self.object.delattr(intern!(py, "__wrapped__"))?,
                }
                drop(old); // somebody else has a reference: see `Install`
            }
            Kind::Partial => {
                let attributes = self.object.getattr(intern!(py, "__dict__"))?;
                let whole = (function, second, third, attributes).into_pyobject(py)?;
                let set = SET.get_or_try_init(py, || {
                    let class = class_of(py, Kind::Partial)?;
                    class.getattr("__setstate__").map(Bound::unbind)
                })?;
                set.bind(py).call1((&self.object, whole))?;
            }
            Kind::PartialMethod => {
                let names = [intern!(py, "func"), intern!(py, "args"), intern!(py, "keywords")];
                for (name, field) in names.into_iter().zip(state) {
                    self.object.setattr(name, field)?;
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
fn is_same(one: &Fields<'_>, other: &Fields<'_>) -> bool {
    let address = |field: &Option<Bound<'_, PyAny>>| field.as_ref().map(Bound::as_ptr);
    one.iter().map(address).eq(other.iter().map(address))
}

impl<'py> Site<'py> for Wrapper<'py> {
    type Stored = State;
    type Seen = PyResult<Fields<'py>>;
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

    fn seen(&self) -> PyResult<Fields<'py>> {
        self.state()
    }

    fn body(&self) -> PyResult<Fields<'py>> {
        self.state()
    }

    fn cells_of<'a>(_: &'a Fields<'py>) -> Option<&'a Bound<'py, PyTuple>> {
        None
    }

    fn has_body(&self, body: &State) -> bool {
        self.state().is_ok_and(|state| is_same(&state, &body.bind(self.object.py())))
    }

    /// Empties a cache, and those of the originals: what they call may have changed as well.
    fn settle(&self) {
        if self.kind != Kind::Cache {
            return;
        }
        let py = self.object.py();
        if let Err(error) = self.object.call_method0(intern!(py, "cache_clear")) {
            error.write_unraisable(py, Some(&self.object));
        }
        let originals = self.with_stack(|stack| stack.originals(py)).unwrap_or_default();
        originals.iter().filter_map(Self::new).for_each(|original| original.settle());
    }

    /// A cache has one of its own, with the same settings.
    fn twin(&self, body: Fields<'py>) -> PyResult<Self> {
        let py = self.object.py();
        let functools = py.import("functools")?;
        let function = &body[0];
        let object = match self.kind {
            Kind::Cache => {
                let settings = if let Some(tell) = self.object.getattr_opt("cache_parameters")? {
                    tell.call0()?.cast_into::<PyDict>()?
                } else {
                    let size = self.object.call_method0("cache_info")?.getattr("maxsize")?;
                    [("maxsize", size)].into_py_dict(py)?
                };
                let cache = functools.getattr("lru_cache")?.call((), Some(&settings))?;
                let twin = cache.call1((function,))?;
                // Its identity. `__wrapped__`, which this sets too, is a part of the body.
                functools.call_method1("update_wrapper", (twin, &self.object))?
            }
            Kind::Partial => functools.call_method1("partial", (function,))?,
            Kind::PartialMethod => functools.call_method1("partialmethod", (function,))?,
        };
        let twin = Self { object, kind: self.kind };
        drop(twin.prepare(twin.seen(), body, false, None)?.commit(None));
        Ok(twin)
    }

    fn prepare(
        &self,
        seen: PyResult<Fields<'py>>,
        state: Fields<'py>,
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
    seen: Fields<'py>,
    state: Fields<'py>,
    watch: Option<Bound<'py, PyWeakrefReference>>,
}

/// What a wrapper had.
pub(crate) struct Replaced<'py> {
    _seen: Fields<'py>,
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
