//! Which Python function runs when an object is called.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use crate::raw::builtin::Builtin;
use crate::raw::function::Function;
use crate::raw::lru_cache;
use crate::raw::method::Method;
use crate::site::Site;

/// Looking inside objects inside objects ends somewhere: an object can hold itself.
pub(crate) const DEEPEST: usize = 16;

/// An object that can be called, and what a call of it runs.
pub(crate) enum Called<'py> {
    /// A Python function, with so many arguments put before those of the call.
    Function(Function<'py>, usize),
    /// A `functools.partial` object around this, which does more than put arguments before those of a call
    /// of a Python function.
    Partial(Bound<'py, PyAny>),
    /// Something written in C, or a class that makes its instances in its own way.
    Unknown,
}

impl<'py> Called<'py> {
    /// Looks through bound methods, static methods, caches and `__call__`, and only at what is really there:
    /// a mock makes up the attributes that it is asked for.
    pub(crate) fn of(callable: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = callable.py();
        let (mut callable, mut bound) = (callable.clone(), 0);
        let mut in_partial = None;
        for _ in 0..DEEPEST {
            if let Some(function) = Function::new(&callable) {
                return Ok(Self::Function(function, bound));
            }
            if is_c_function(&callable) {
                break;
            }
            if is_a(&callable, Type::Partial)? {
                let inner = partial_field(&callable, intern!(py, "func"))?;
                if bound == 0 {
                    in_partial.get_or_insert_with(|| inner.clone());
                }
                let Some(count) = arguments_put_first(&callable)? else {
                    break;
                };
                (callable, bound) = (inner, bound + count);
            } else if is_a(&callable, Type::Method)? {
                bound += 1;
                callable = callable.getattr(intern!(py, "__func__"))?;
            } else if is_a(&callable, Type::StaticMethod)? {
                callable = callable.getattr(intern!(py, "__func__"))?;
            } else if is_a(&callable, Type::Cache)? {
                let Some(inner) = lru_cache::function(&callable)? else {
                    break;
                };
                callable = inner;
            } else if let Ok(class) = callable.cast::<PyType>() {
                let called = Self::of_class(class, bound)?;
                if matches!(called, Self::Function(..)) {
                    return Ok(called);
                }
                break;
            } else {
                let class = callable.get_type();
                callable = class_attribute(&class, intern!(py, "__call__"))?
                    .unwrap_or_else(|| py.None().into_bound(py));
                if !is_a(&callable, Type::StaticMethod)? {
                    bound += 1;
                    if Function::new(&callable).is_none() {
                        break;
                    }
                }
            }
        }
        Ok(in_partial.map_or(Self::Unknown, Self::Partial))
    }

    /// A class that leaves the making of instances to `type` runs one of two functions.
    fn of_class(class: &Bound<'py, PyType>, bound: usize) -> PyResult<Self> {
        let py = class.py();
        if !class.get_type().is(py.get_type::<PyType>()) {
            return Ok(Self::Unknown);
        }
        let object = py.get_type::<PyAny>();
        let (init, new) = (intern!(py, "__init__"), intern!(py, "__new__"));
        for (made_by, other, made_by_new) in [(init, new, false), (new, init, true)] {
            let (Some(made_by), Some(used)) =
                (class_attribute(class, made_by)?, class_attribute(class, other)?)
            else {
                return Ok(Self::Unknown);
            };
            let is_inherited = class_attribute(&object, other)?.is_some_and(|it| it.is(&used));
            // `__new__` stands in a class as a static method, which gets the class all the same.
            let made_by = if made_by_new && is_a(&made_by, Type::StaticMethod)? {
                made_by.getattr(intern!(py, "__func__"))?
            } else {
                made_by
            };
            let function = Function::new(&made_by);
            if is_inherited && let Some(function) = function {
                return Ok(Self::Function(function, bound + 1));
            }
        }
        Ok(Self::Unknown)
    }
}

/// Types whose objects call something else.
#[derive(Clone, Copy)]
enum Type {
    Method,
    StaticMethod,
    Partial,
    Cache,
}

fn class_of(py: Python<'_>, class: Type) -> PyResult<&Bound<'_, PyType>> {
    static CLASSES: [PyOnceLock<Py<PyType>>; 4] = [const { PyOnceLock::new() }; 4];
    let (module, name) = match class {
        Type::Method => ("types", "MethodType"),
        Type::StaticMethod => ("builtins", "staticmethod"),
        Type::Partial => ("functools", "partial"),
        Type::Cache => ("functools", "_lru_cache_wrapper"),
    };
    CLASSES[class as usize].import(py, module, name)
}

fn is_a(object: &Bound<'_, PyAny>, class: Type) -> PyResult<bool> {
    let base = class_of(object.py(), class)?;
    // By its type: an object can say otherwise of itself.
    let class = object.get_type();
    if class.is(base) {
        return Ok(true);
    }
    if !class.is_subclass(base)? {
        return Ok(false);
    }
    // A subclass can do something else when it is called.
    let call = intern!(object.py(), "__call__");
    let (own, inherited) = (class_attribute(&class, call)?, class_attribute(base, call)?);
    Ok(own.is_some_and(|own| inherited.is_some_and(|inherited| own.is(&inherited))))
}

/// A field of a partial object, whatever a subclass shows in its place.
pub(crate) fn partial_field<'py>(
    partial: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    let class = class_of(partial.py(), Type::Partial)?;
    if partial.get_type().is(class) {
        return partial.getattr(name);
    }
    class.getattr(name)?.call_method1(intern!(partial.py(), "__get__"), (partial,))
}

/// How many arguments a partial object puts first, if that is all that it does.
fn arguments_put_first(partial: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
    let py = partial.py();
    let arguments = partial_field(partial, intern!(py, "args"))?.cast_into::<PyTuple>()?;
    if partial_field(partial, intern!(py, "keywords"))?.len()? > 0 {
        return Ok(None);
    }
    // It can keep a place for an argument of the call.
    #[cfg(Py_3_14)]
    {
        static PLACE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let place = PLACE.import(py, "functools", "Placeholder")?;
        if arguments.iter().any(|argument| argument.is(place)) {
            return Ok(None);
        }
    }
    Ok(Some(arguments.len()))
}

/// Whether it is of a type that has nothing but C functions.
fn is_c_function(object: &Bound<'_, PyAny>) -> bool {
    Builtin::new(object).is_some() || Method::new(object).is_some()
}

/// What a class has under a name, or gets from its bases: as it is there, and without asking the class.
pub(crate) fn class_attribute<'py>(
    class: &Bound<'py, PyType>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    for class in class.mro() {
        let namespace = class.getattr(intern!(class.py(), "__dict__"))?;
        if namespace.contains(name)? {
            return namespace.get_item(name).map(Some);
        }
    }
    Ok(None)
}

/// What is really there under a name: a mock makes up the attributes that it is asked for.
pub(crate) fn static_attribute<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    if let Ok(class) = object.cast::<PyType>() {
        return class_attribute(class, name);
    }
    match own_attribute(object, name)? {
        None => class_attribute(&object.get_type(), name),
        found => Ok(found),
    }
}

/// What an object has under a name of its own, in its `__dict__`.
pub(crate) fn own_attribute<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    match attributes(object)? {
        Some(attributes) => attributes.get_item(name),
        None => Ok(None),
    }
}

fn attributes<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let attributes = object.getattr_opt(intern!(object.py(), "__dict__"))?;
    Ok(attributes.and_then(|attributes| attributes.cast_into().ok()))
}

/// Whether an object has one of some attributes of its own, in its `__dict__`.
pub(crate) fn has_own(object: &Bound<'_, PyAny>, names: &[&str]) -> PyResult<bool> {
    let Some(attributes) = attributes(object)? else {
        return Ok(false);
    };
    if attributes.is_empty() {
        return Ok(false);
    }
    for name in names {
        if attributes.contains(name)? {
            return Ok(true);
        }
    }
    Ok(false)
}
