//! Objects of `functools` that call what they hold: caches and partial objects.
//!
//! What they hold is exchanged; the objects stay.

use std::sync::Mutex;

use pyo3::exceptions::PySystemError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
#[cfg(not(Py_3_12))]
use pyo3::types::PyList;
use pyo3::types::{IntoPyDict, PyDict, PyTuple, PyType, PyWeakrefReference};

use crate::called::partial_field;
use crate::farewell;
use crate::holder::{Held, Holder, Stack, forget, holder_at, patched};
use crate::raw::attributes::attributes_of;
use crate::raw::body::Body;
use crate::raw::function::Function;
use crate::raw::lru_cache;
use crate::signature::Signature;
use crate::site::{self, Install as _, Site, Stored};
use crate::transaction::{Group, Groups};

/// What a wrapper holds. For a cache: its function, and `__wrapped__` if it has that. For partial objects:
/// function, arguments and keywords.
type Fields<'py> = [Option<Bound<'py, PyAny>>; 3];

/// [`Fields`] that are kept.
pub(crate) struct State([Option<Py<PyAny>>; 3]);

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
            Kind::Partial => {
                partial_field(&self.object, intern!(self.object.py(), "func")).map(Some)
            }
            Kind::PartialMethod => self.attributes()?.get_item("func"),
        }
    }

    /// The state with which it calls `function`, the form of `replacement` that does not change.
    pub(crate) fn led_to(
        &self,
        function: &Function<'py>,
        replacement: &Bound<'py, PyAny>,
    ) -> PyResult<Fields<'py>> {
        let py = self.object.py();
        let holder = match holder_at(py, self.address()) {
            Some(holder) => holder,
            None => Bound::new(py, Holder(Mutex::new(None)))?,
        };
        function.keep(holder.into_any())?;
        let function = Some(function.as_any().clone());
        if self.kind == Kind::Cache {
            return Ok([function, Some(replacement.clone()), None]);
        }
        let (arguments, keywords) = (PyTuple::empty(py), PyDict::new(py));
        Ok([function, Some(arguments.into_any()), Some(keywords.into_any())])
    }

    /// Its `__dict__`, whatever a subclass shows in its place.
    fn attributes(&self) -> PyResult<Bound<'py, PyDict>> {
        attributes_of(&self.object)
    }

    fn state(&self) -> PyResult<Fields<'py>> {
        let py = self.object.py();
        let get = |name| partial_field(&self.object, name).map(Some);
        Ok(match self.kind {
            Kind::Cache => {
                let wrapped = self.attributes()?.get_item(intern!(py, "__wrapped__"))?;
                [self.function()?, wrapped, None]
            }
            Kind::Partial => {
                [self.function()?, get(intern!(py, "args"))?, get(intern!(py, "keywords"))?]
            }
            Kind::PartialMethod => {
                let attributes = self.attributes()?;
                let get = |name| attributes.get_item(name);
                [
                    get(intern!(py, "func"))?,
                    get(intern!(py, "args"))?,
                    get(intern!(py, "keywords"))?,
                ]
            }
        })
    }

    /// Makes what giving it a state needs, so that nothing can run or fail in the middle of that.
    fn ready<'a>(&self, state: &'a Fields<'py>) -> PyResult<Ready<'a, 'py>> {
        let py = self.object.py();
        let call = if self.kind == Kind::Partial {
            let [function, arguments, keywords] = state;
            let state = (function, arguments, keywords, self.attributes()?).into_pyobject(py)?;
            setter(py)?; // looked up the first time
            Some((&self.object, state).into_pyobject(py)?)
        } else {
            None
        };
        Ok(Ready { state, attributes: self.attributes()?, call })
    }

    fn set_state(&self, Ready { state, attributes, call }: Ready<'_, 'py>) -> PyResult<()> {
        let py = self.object.py();
        match self.kind {
            Kind::Cache => {
                let name = intern!(py, "__wrapped__");
                match &state[1] {
                    Some(wrapped) => attributes.set_item(name, wrapped)?,
                    None if attributes.contains(name)? => attributes.del_item(name)?,
                    None => {}
                }
                if let Some(function) = &state[0] {
                    // Somebody else has a reference to the old one: see `Install`.
                    drop(lru_cache::replace(&self.object, function.clone()));
                }
            }
            Kind::Partial => {
                if let Some(arguments) = call {
                    setter(py)?.call1(arguments)?;
                }
            }
            Kind::PartialMethod => {
                let names = [intern!(py, "func"), intern!(py, "args"), intern!(py, "keywords")];
                for (name, field) in names.into_iter().zip(state) {
                    attributes.set_item(name, field)?;
                }
            }
        }
        Ok(())
    }

    /// What calls a partial object with a state, in a form that does not change when it is patched. A cache
    /// is called as it is: it counts its calls.
    pub(crate) fn frozen(&self, state: Fields<'py>) -> PyResult<Bound<'py, PyAny>> {
        let class = class_of(self.object.py(), Kind::Partial)?;
        if self.object.get_type().is(class) {
            return Ok(self.twin(state)?.object);
        }
        Ok(self.object.clone())
    }

    fn address(&self) -> usize {
        self.object.as_ptr().addr()
    }
}

/// What is needed to give a wrapper a state.
struct Ready<'a, 'py> {
    state: &'a Fields<'py>,
    attributes: Bound<'py, PyDict>,
    /// The arguments for [`setter`].
    call: Option<Bound<'py, PyTuple>>,
}

/// `functools.partial.__setstate__`
fn setter(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static SET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let set = SET.get_or_try_init(py, || {
        class_of(py, Kind::Partial)?.getattr("__setstate__").map(Bound::unbind)
    })?;
    Ok(set.bind(py))
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

    fn groups<'g>(groups: &'g mut Groups<'py>) -> &'g mut Vec<Group<'py, Self>> {
        &mut groups.wrappers
    }

    fn with_stack<T>(&self, action: impl FnOnce(&mut Stack) -> T) -> Option<T> {
        let holder = holder_at(self.object.py(), self.address())?;
        let mut stack = holder.get().replace(None)?;
        let outcome = action(&mut stack);
        holder.get().replace(Some(stack));
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

    fn signature(&self, state: &Fields<'py>) -> PyResult<Option<Signature<'py>>> {
        let [Some(function), arguments, keywords] = state else {
            return Ok(None);
        };
        match (self.kind, arguments, keywords) {
            (Kind::Partial, Some(arguments), Some(keywords)) => {
                let partial = class_of(function.py(), Kind::Partial)?.call1((function,))?;
                let nothing = PyDict::new(function.py());
                setter(function.py())?
                    .call1((&partial, (function, arguments, keywords, nothing)))?;
                Signature::of(&partial)
            }
            _ => Signature::of(function),
        }
    }

    fn calling(&self, function: &Function<'py>, below: &Fields<'py>) -> PyResult<Fields<'py>> {
        let wrapped = below[1].as_ref().filter(|_| self.kind == Kind::Cache);
        self.led_to(function, wrapped.unwrap_or(function.as_any()))
    }

    fn python(&self, body: &Fields<'py>) -> PyResult<Option<(Function<'py>, Body<'py>)>> {
        match body[0].as_ref().and_then(Function::new) {
            Some(function) => Ok(Some((function.clone(), function.body()?))),
            None => Ok(None),
        }
    }

    /// A cache has one of its own, with the same settings.
    fn twin(&self, body: Fields<'py>) -> PyResult<Self> {
        let py = self.object.py();
        let functools = py.import("functools")?;
        let function = &body[0];
        let object = match self.kind {
            Kind::Cache => {
                let size = self.object.call_method0("cache_info")?.getattr("maxsize")?;
                let settings = [("maxsize", &size)].into_py_dict(py)?;
                // Another decorator can have brought those of another cache along.
                if let Some(tell) = self.attributes()?.get_item("cache_parameters")?
                    && let Ok(told) = tell.call0()?.cast_into::<PyDict>()
                    && told.get_item("maxsize")?.is_some_and(|told| told.eq(&size).unwrap_or(false))
                {
                    settings.update(told.as_mapping())?;
                }
                let cache = functools.getattr("lru_cache")?.call((), Some(&settings))?;
                let twin = cache.call1((function,))?;
                // Its identity. `__wrapped__`, which this sets too, is a part of the body.
                functools.call_method1("update_wrapper", (twin, &self.object))?
            }
            Kind::Partial => functools.call_method1("partial", (function,))?,
            Kind::PartialMethod => functools.call_method1("partialmethod", (function,))?,
        };
        let twin = Self { object, kind: self.kind };
        twin.prepare(twin.seen(), body, false, None)?.commit(None);
        Ok(twin)
    }

    fn prepare(
        &self,
        seen: PyResult<Fields<'py>>,
        state: Fields<'py>,
        has_stack: bool,
        _cells: Option<&Bound<'py, PyTuple>>,
    ) -> PyResult<Install<'py>> {
        let seen = seen?;
        #[cfg(not(Py_3_12))]
        leave_to_the_collector(&seen)?;
        let holder = if has_stack {
            let function = state[0].as_ref().and_then(Function::new);
            let kept =
                function.and_then(|it| it.kept().into_iter().find_map(|it| it.cast_into().ok()));
            let holder = kept.ok_or_else(|| PySystemError::new_err("a patch without a holder"))?;
            let weak = PyWeakrefReference::new(holder.as_any())?;
            Some((holder, weak, farewell::watch(&self.object, forget)?))
        } else {
            None
        };
        let Ready { attributes, call, .. } = self.ready(&state)?;
        Ok(Install { wrapper: self.clone(), seen, state, attributes, call, holder, held: None })
    }
}

/// Keeps a function of ours, which a wrapper is going to lose, until the next collection.
///
/// What calls the function in a wrapper only borrows it until the function's frame has it, and before that a
/// tuple is made for the names of keywords (`_PyStack_UnpackDict`, Objects/call.c). Until 3.11 that can run
/// finalizers, and those can undo the patch.
#[cfg(not(Py_3_12))]
fn leave_to_the_collector(seen: &Fields<'_>) -> PyResult<()> {
    if let Some(function) = seen[0].as_ref().and_then(Function::new)
        && function.kept().iter().any(PyAnyMethods::is_instance_of::<Holder>)
    {
        let cycle = PyList::new(function.as_any().py(), [function.as_any()])?;
        cycle.append(&cycle)?;
    }
    Ok(())
}

/// A state that is ready to be given to a wrapper. It owns what the wrapper has until then.
pub(crate) struct Install<'py> {
    wrapper: Wrapper<'py>,
    seen: Fields<'py>,
    state: Fields<'py>,
    attributes: Bound<'py, PyDict>,
    call: Option<Bound<'py, PyTuple>>,
    /// What keeps its stack, and weak references to that and to the wrapper.
    holder: Option<(Bound<'py, Holder>, Reference<'py>, Reference<'py>)>,
    /// Such references, written over.
    held: Option<(Reference<'py>, Reference<'py>)>,
}

type Reference<'py> = Bound<'py, PyWeakrefReference>;

impl site::Install<State> for Install<'_> {
    /// Gives the wrapper what it has already. If that does not fail, `commit` does not either, and what is
    /// made when it is first used is there.
    fn announce(&self) -> PyResult<()> {
        let ready = self.wrapper.ready(&self.seen)?;
        if self.is_current() { self.wrapper.set_state(ready) } else { Ok(()) }
    }

    fn is_current(&self) -> bool {
        self.wrapper.state().is_ok_and(|state| is_same(&state, &self.seen))
    }

    fn take_stack(&self) -> Option<Box<Stack>> {
        let wrapper = &self.wrapper;
        holder_at(wrapper.object.py(), wrapper.address())?.get().replace(None)
    }

    fn commit(&mut self, stack: Option<Box<Stack>>) {
        let Self { wrapper, state, attributes, call, holder, held, .. } = self;
        let py = wrapper.object.py();
        let ready = Ready { state, attributes: attributes.clone(), call: call.take() };
        if let Err(error) = wrapper.set_state(ready) {
            error.write_unraisable(py, Some(&wrapper.object));
        }
        let before = if let Some((holder, weak, watch)) = holder.take() {
            holder.get().replace(stack);
            let held = Held { holder: weak.unbind(), watch: watch.unbind() };
            patched().insert(wrapper.address(), held)
        } else {
            patched().remove(&wrapper.address())
        };
        *held = before.map(|held| (held.holder.into_bound(py), held.watch.into_bound(py)));
    }
}
